//go:build unix

package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/app/embedded"
)

// follow starts the standby of a place.
func follow(t *testing.T, dir, place string) (url string) {
	t.Helper()
	standby := start(t, "standby", "--from", place, "-d", dir, "--addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0", "--stop-grace", "0s")
	t.Cleanup(func() {
		standby.stop()
		<-standby.ended
	})
	url, _ = standby.addresses(t)
	return url
}

// replicaState is what standby status says of a folder.
func replicaState(t *testing.T, dir string) (s embedded.ReplicaState) {
	t.Helper()
	if err := json.Unmarshal([]byte(ok(t, "standby", "status", "--json", "-d", dir)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// level waits until a folder and its place have the same events, at least some.
func level(t *testing.T, dir string, least uint64) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		s := replicaState(t, dir)
		if s.Head >= least && s.Head == s.PlaceHead {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it stands at %+v", s)
		}
	}
}

// replicated is a canteen whose server copies its log.
func (s *shift) replicated() {
	s.close()
	place := filepath.Join(filepath.Dir(s.dir), "place")
	s.server = start(s.t, serving(s.dir, "--replicate-to", place, "--fencing", "manual")...)
	s.url, s.ops = s.server.addresses(s.t)
	s.env = append(s.env, "URL="+s.url, "OPS="+s.ops, "PLACE="+place)
	level(s.t, s.dir, 12)
	s.shows = []string{"primary", "its log ends at event 12"}
}

// lostRegion is a primary that is gone, and its standby.
func (s *shift) lostRegion() {
	s.replicated()
	standby := filepath.Join(filepath.Dir(s.dir), "standby")
	url := follow(s.t, standby, filepath.Join(filepath.Dir(s.dir), "place"))
	level(s.t, standby, 12)
	s.close()
	s.env = append(s.env, "STANDBY="+standby, "STANDBY_URL="+url)
	s.shows = []string{"no answer from", ": standby", "X-Replica-Behind-Ms", "is the primary now: fence at event 13", "The log is sound.", "The events are sound.", "It is sound."}
}

// failback is an old primary whose standby was promoted.
func (s *shift) failback() {
	s.lostRegion()
	standby := filepath.Join(filepath.Dir(s.dir), "standby")
	ok(s.t, "promote", "--primary-is-down", "-d", standby)
	s.env = append(s.env, "OLD="+s.dir, "LOST="+filepath.Join(filepath.Dir(s.dir), "lost.jsonl"))
	s.shows = []string{"both logs have the events up to 12", "0 events only here", ": standby"}
}

func TestReplicationFromTheCommandLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b, place := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "place")
	if got := replicaState(t, seeded(t)); got.Role.Role != "" || got.Head != 0 && got.Head != 2 {
		t.Errorf("a folder on its own: %+v", got)
	}
	call(t, "promote", "-d", seeded(t)).wants(t, exitFailed, "is no standby")
	call(t, "serve", "-d", a, "--replicate-to", "ftp://x").wants(t, exitUsage, "--replicate-to")
	call(t, "serve", "-d", a, "--replicate-to", place, "--lease", "1ms").wants(t, exitUsage, "--lease")

	primary := start(t, serving(a, "--replicate-to", place, "--lease", "1s")...)
	url, _ := primary.addresses(t)
	for deadline := time.Now().Add(time.Minute); post(t, "op", url+"/orders", `{"orderId":"o1","total":1}`) != 201; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no command is acknowledged")
		}
	}
	follow(t, b, place)
	level(t, b, 1)
	contains(t, ok(t, "standby", "status", "-d", b), "standby", "ends at event 1", "commands go to "+url)
	call(t, "rejoin", "--from", place, "-d", b).wants(t, exitFailed, "being served")
	var done embedded.Promoted
	if err := json.Unmarshal([]byte(ok(t, "promote", "--json", "-d", b)), &done); err != nil || !done.Serving || done.Fence < 2 {
		t.Errorf("promoted: %+v, %v", done, err)
	}
	primary.stop()
	<-primary.ended
	call(t, "standby", "status", "-d", a).wants(t, exitFailed, "gakushoku rejoin")
	call(t, "serve", "-d", a).wants(t, exitFailed, "gakushoku rejoin")
	if got := ok(t, "rejoin", "--from", place, "-d", a); !strings.Contains(got, "both logs have the events up to 1") {
		t.Error(got)
	}
	if got := replicaState(t, a); got.Role.Role != embedded.RoleStandby {
		t.Errorf("after rejoin: %+v", got)
	}
}
