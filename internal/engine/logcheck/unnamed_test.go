package logcheck_test

import (
	"errors"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/store/memory"
)

func TestALogSaysWhichObjectHasEventsThatItLeavesOut(t *testing.T) {
	t.Parallel()
	c := filled(t)
	wants := func(what string, key string) {
		t.Helper()
		err := c.log.NothingLeftOut(t.Context())
		if key == "" && err != nil || key != "" && (!errors.Is(err, logcheck.ErrLeftOut) || !strings.Contains(err.Error(), key)) {
			t.Errorf("%s: %v; want %q named", what, err, key)
		}
	}
	wants("a whole log", "")
	twin := strings.Replace(c.segment(1).Key, "segments/", "segments/twin-", 1)
	c.put(twin, c.get(c.segment(1).Key))
	wants("with what an archiver left behind when it died", "")

	manifests := c.manifests()
	last := manifests[len(manifests)-1]
	c.remove(eventlog.ManifestKey(last.First))
	c.useLedger(memory.NewLedger())
	if r := c.restore(); !r.Sound {
		t.Fatalf("%+v", r)
	}
	wants("without the last manifest and the ledger", last.Key)
	c.remove(last.Key)
	wants("with the object moved away", "")
	c.put(twin, []byte("damaged"))
	wants("with one that cannot be read", twin)
}
