package logcheck_test

import (
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// withoutRecords is filled, without its ledger, its manifests and most of its objects.
func withoutRecords(t *testing.T) (c *canteen, left string) {
	c = filled(t)
	left = c.segment(1).Key
	for _, m := range c.manifests() {
		c.remove(eventlog.ManifestKey(m.First))
		if m.Key != left {
			c.remove(m.Key)
		}
	}
	c.useLedger(memory.NewLedger())
	return c, left
}

func TestALogWithoutRecordsIsMadeAnewFromAWholeStore(t *testing.T) {
	t.Parallel()
	c, left := withoutRecords(t)
	restored := c.restore().Findings
	wantKinds(t, "nothing to restore from", restored, map[logcheck.Kind]int{logcheck.ManifestMissing: 1})
	if !strings.Contains(restored.Problems[0].Detail, "archive verify --deep --fix") {
		t.Errorf("it does not say what to do: %+v", restored.Problems)
	}
	wantKinds(t, "without --deep", c.verify(logcheck.Options{Fix: true}).Findings, map[logcheck.Kind]int{logcheck.WrongHead: 1})
	if r := c.verify(logcheck.Options{Deep: true, Fix: true}); !r.Sound || r.Appended != 40 {
		t.Errorf("%+v", r)
	}
	if r := c.verify(logcheck.Options{Deep: true}); r.Total() != 0 || r.Repeats != 0 || r.Orphans != 1 {
		t.Errorf("%+v", r)
	}
	wantKinds(t, "restored once more", c.restore().Findings, nil)
	if s, err := c.log.Sweep(t.Context(), time.Hour, false); err != nil || s.Objects != 1 || s.Keys[0] != left {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestALogWithoutRecordsIsLeftAsItIsWhenWhatIsLeftContradictsTheStore(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(c *canteen, left string){
		"which the event store does not have like that": func(c *canteen, _ string) { // an event that only the log has
			lost := stray("o999", 1)
			c.commit([]eventlog.Record{{Source: "x", Event: lost}})
			c.remove(eventlog.ManifestKey(1))
			c.useLedger(memory.NewLedger())
		},
		"version 2 of order-o1, which": func(c *canteen, _ string) { // another event than the store's
			c.commit([]eventlog.Record{{Source: "x", Event: stray("o1", 2)}})
			c.remove(eventlog.ManifestKey(1))
			c.useLedger(memory.NewLedger())
		},
		"move it away and keep it": func(c *canteen, left string) { c.put(left, c.get(left)[:50]) },
	} {
		c, left := withoutRecords(t)
		spoil(c, left)
		c.now = c.now.Add(2 * time.Hour)
		r := c.verify(logcheck.Options{Deep: true, Fix: true})
		if r.Sound || r.Appended != 0 || r.Counts[logcheck.WrongHead] != 1 || !strings.Contains(r.Problems[0].Detail, want) {
			t.Errorf("%+v, %d appended, want %q", r.Findings.Problems[:1], r.Appended, want)
		}
	}
}

// TestAnObjectIsReadWithoutItsManifest reads what is one frame after another.
func TestAnObjectIsReadWithoutItsManifest(t *testing.T) {
	t.Parallel()
	c := filled(t)
	n := 0
	err := eventlog.EachLine(c.get(c.segment(0).Key), func(line []byte) error {
		var e event.Event
		n++
		return event.Decode(line, &e)
	})
	if err != nil || n != 10 {
		t.Errorf("%d lines, %v", n, err)
	}
}
