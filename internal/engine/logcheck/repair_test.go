package logcheck_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// manifestsOf is everything that a ledger has.
func (c *canteen) manifests() []eventlog.Manifest {
	c.t.Helper()
	all, err := c.ledger.Manifests(c.t.Context(), 0, 1000)
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

func (c *canteen) restore() logcheck.Restored {
	c.t.Helper()
	r, err := c.log.RestoreManifests(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func TestALedgerIsRestoredFromWhatLiesBesideTheSegments(t *testing.T) {
	t.Parallel()
	for kept := range 5 {
		c := filled(t)
		want := c.manifests()
		older := memory.NewLedger()
		if err := older.Restore(t.Context(), want[:kept]); err != nil {
			t.Fatal(err)
		}
		c.useLedger(older)
		r := c.restore()
		wantKinds(t, "restoring", r.Findings, nil)
		if r.Manifests != 4 || r.Before.Segments != uint64(kept) || r.After.Number != 40 {
			t.Errorf("%+v", r)
		}
		if diff := cmp.Diff(want, c.manifests()); diff != "" {
			t.Errorf("the ledger (-before +after):\n%s", diff)
		}
		wantKinds(t, "the restored log", c.verify(logcheck.Options{Deep: true}).Findings, nil)
		c.place(90)
		c.archive(2)
		wantKinds(t, "the restored log goes on", c.verify(logcheck.Options{Deep: true}).Findings, nil)
	}
}

func TestManyManifestsAreRestored(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	for n := range 130 {
		c.place(n)
		c.archive(1)
		c.archive(1)
	}
	c.useLedger(memory.NewLedger())
	if r := c.restore(); !r.Sound || r.After.Segments != 260 {
		t.Errorf("%+v", r)
	}
}

func TestManifestsThatDoNotFitAreTold(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.useLedger(memory.NewLedger())
	c.remove(eventlog.ManifestKey(21))
	r := c.restore()
	wantKinds(t, "with a hole", r.Findings, map[logcheck.Kind]int{logcheck.Hole: 1})
	if r.After.Number != 0 {
		t.Errorf("%+v", r)
	}

	c = filled(t)
	c.put(eventlog.ManifestKey(31), []byte("no JSON"))
	c.put(eventlog.ManifestKey(41), c.get(eventlog.ManifestKey(11)))
	c.useLedger(memory.NewLedger())
	r = c.restore()
	wantKinds(t, "with one that cannot be read, and a copy", r.Findings, map[logcheck.Kind]int{logcheck.BadManifest: 2})
	if r.After.Number != 30 {
		t.Errorf("%+v", r)
	}

	c = filled(t)
	var other eventlog.Manifest
	if err := json.Unmarshal(c.get(eventlog.ManifestKey(11)), &other); err != nil {
		t.Fatal(err)
	}
	other.SHA256 = "00"
	if err := eventlog.PutManifest(t.Context(), c.blobs, &other); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, "with another than the ledger's", c.restore().Findings, map[logcheck.Kind]int{logcheck.Hole: 1})
}

// orphan puts an object that no segment has.
func (c *canteen) orphan(name string) string {
	key := eventlog.SegmentFolder + "2026-01-24/" + name + ".jsonl.zst"
	c.put(key, []byte("an orphan"))
	return key
}

func TestSweepRemovesOldOrphansAndNothingElse(t *testing.T) {
	t.Parallel()
	c := filled(t)
	old := []string{c.orphan("0A"), c.orphan("ZZ")}
	c.now = c.now.Add(25 * time.Hour)
	young := c.orphan("MM")
	c.put("reports/x.json", []byte("not a segment"))
	if r := c.verify(logcheck.Options{}); !r.Sound || r.Orphans != 2 || r.OrphanBytes != 18 {
		t.Errorf("%+v", r)
	}
	for _, dry := range []bool{true, false} {
		s, err := c.log.Sweep(t.Context(), 24*time.Hour, dry)
		want := logcheck.Swept{DryRun: dry, Before: event.InstantOf(c.now.Add(-24 * time.Hour)), Objects: 2, Bytes: 18, Young: 1, Keys: old}
		if diff := cmp.Diff(want, s); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	for _, key := range old {
		if _, err := c.blobs.Get(t.Context(), key); err == nil {
			t.Errorf("%s is still there", key)
		}
	}
	c.get(young)
	c.get("reports/x.json")
	wantKinds(t, "the swept log", c.verify(logcheck.Options{Deep: true}).Findings, nil)
	if s, err := c.log.Sweep(t.Context(), 24*time.Hour, false); err != nil || s.Objects != 0 {
		t.Errorf("again: %+v, %v", s, err)
	}
}

func TestSweepRefusesWhatMayBeNeeded(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(c *canteen) time.Duration{
		"on their way":        func(*canteen) time.Duration { return logcheck.MinSweepAge - 1 },
		"the ledger is empty": func(c *canteen) time.Duration { c.useLedger(memory.NewLedger()); return 24 * time.Hour },
		"restore the manifests": func(c *canteen) time.Duration {
			older := memory.NewLedger()
			if err := older.Restore(c.t.Context(), c.manifests()[:2]); err != nil {
				c.t.Fatal(err)
			}
			c.useLedger(older)
			return 24 * time.Hour
		},
		"is no manifest": func(c *canteen) time.Duration {
			c.put(eventlog.ManifestKey(41), []byte("{"))
			return 24 * time.Hour
		},
	} {
		c := filled(t)
		c.orphan("0A")
		c.now = c.now.Add(100 * time.Hour)
		age := spoil(c)
		if s, err := c.log.Sweep(t.Context(), age, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v, want %q", s, err, want)
		}
		if objects, err := c.blobs.List(t.Context(), eventlog.SegmentFolder, "", 100); err != nil || len(objects) != 5 {
			t.Errorf("%s: %d objects are left, %v", want, len(objects), err)
		}
	}
}

func TestStatusTellsWhereTheLogStands(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	if s, err := c.log.Status(t.Context()); err != nil || s != (logcheck.Status{}) {
		t.Errorf("%+v, %v", s, err)
	}
	c = filled(t)
	s, err := c.log.Status(t.Context())
	last := c.segment(3)
	want := logcheck.Status{Head: eventlog.Head{Number: 40, Segments: 4, CommittedAt: event.InstantOf(start), Chain: last.Chained()}, AgeMs: 2 * 3600 * 1000}
	if err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestStatsAddUp(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	if s, err := c.log.Stats(t.Context(), true); err != nil || s.Events != 0 || s.Ratio != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	c = filled(t)
	s, err := c.log.Stats(t.Context(), false)
	if err != nil || s.Events != 40 || s.Segments != 4 || s.LargestEvents != 10 || s.Bytes == 0 || s.Ratio <= 1 ||
		s.OldestAt != event.InstantOf(start) || s.NewestAt != event.InstantOf(start)+19 || s.Repeats != nil || s.Streams != nil {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err = c.log.Stats(t.Context(), true); err != nil || *s.Repeats != 0 || *s.Streams != 20 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestALostLedgerIsNoticedWithoutManifests(t *testing.T) {
	t.Parallel()
	c := filled(t)
	for n := range 4 {
		c.remove(eventlog.ManifestKey(c.segment(n).First))
	}
	c.useLedger(memory.NewLedger())
	_, status := c.log.Status(t.Context())
	_, stats := c.log.Stats(t.Context(), false)
	_, swept := c.log.Sweep(t.Context(), time.Hour, true)
	for what, err := range map[string]error{"status": status, "stats": stats, "sweep": swept} {
		if !errors.Is(err, eventlog.ErrLedgerBehind) || !strings.Contains(err.Error(), "the ledger is empty, yet there are 4 objects") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, o := range []logcheck.Options{{}, {Fix: true}, {Deep: true}} {
		if r := c.verify(o); r.Sound || r.Counts[logcheck.WrongHead] != 1 || r.Appended != 0 {
			t.Errorf("%+v: %+v", o, r)
		}
	}
	young := newCanteen(t)
	young.put(eventlog.SegmentFolder+"2026-01-24/x", []byte("on its way"))
	if _, err := young.log.Status(t.Context()); err != nil {
		t.Errorf("while the first segment is committed: %v", err)
	}
}
