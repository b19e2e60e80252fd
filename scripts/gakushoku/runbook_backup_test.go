//go:build unix

package main

import "path/filepath"

// keptElsewhere is a canteen whose server makes no backups, with one that was made by hand.
func (s *shift) keptElsewhere() {
	place := filepath.Join(s.t.TempDir(), "place")
	ok(s.t, "backup", "create", "--to", place, "--data", s.dir)
	s.env = append(s.env, "PLACE="+place, "NEW="+filepath.Join(s.t.TempDir(), "new"))
	s.shows = []string{"The backup is sound."}
}
