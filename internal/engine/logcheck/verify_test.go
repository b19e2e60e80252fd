package logcheck_test

import (
	"bytes"
	"strings"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

func TestASoundLogIsSound(t *testing.T) {
	t.Parallel()
	for _, held := range []int{1, 2, 7, 1000} { // in how many passes must not matter
		c := filled(t)
		c.log.Held = held
		for _, o := range []logcheck.Options{{}, {Deep: true}, {Deep: true, Fix: true}} {
			r := c.verify(o)
			wantKinds(t, "a sound log", r.Findings, nil)
			if r.Head.Number != 40 || r.Head.Segments != 4 || r.Bytes == 0 || r.RawBytes <= r.Bytes || r.Appended != 0 || r.Orphans != 0 {
				t.Errorf("%+v", r)
			}
			if o.Deep && (r.Streams != 20 || r.Events != 40 || r.Read != 40 || r.Repeats != 0) {
				t.Errorf("%+v", r)
			}
		}
		if c.waited != 0 {
			t.Errorf("waited for %s", c.waited)
		}
	}
}

func TestAnEmptyLogIsSound(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	wantKinds(t, "an empty log", c.verify(logcheck.Options{Deep: true}).Findings, nil)
}

// TestEveryDamageIsFound has what may happen to a log, and what must be found: in a list of
// objects and manifests, in a deep look, and after what can be fixed was fixed.
func TestEveryDamageIsFound(t *testing.T) {
	t.Parallel()
	type kinds = map[logcheck.Kind]int
	for name, d := range map[string]struct {
		damage               func(c *canteen)
		shallow, deep, after kinds // after a fix
	}{
		"an object is gone": {
			func(c *canteen) { c.remove(c.segment(1).Key) },
			kinds{logcheck.ObjectMissing: 1}, kinds{logcheck.ObjectMissing: 1, logcheck.EventMissing: 10}, kinds{logcheck.ObjectMissing: 1, logcheck.EventMissing: 10},
		},
		"an object is cut off": {
			func(c *canteen) { key := c.segment(2).Key; c.put(key, c.get(key)[:50]) },
			kinds{logcheck.ObjectDamaged: 1}, kinds{logcheck.ObjectDamaged: 1, logcheck.EventMissing: 10}, kinds{logcheck.ObjectDamaged: 1, logcheck.EventMissing: 10},
		},
		"a manifest beside is gone": {
			func(c *canteen) { c.remove(eventlog.ManifestKey(11)) },
			kinds{logcheck.ManifestMissing: 1}, kinds{logcheck.ManifestMissing: 1}, nil,
		},
		"a manifest beside is no JSON": {
			func(c *canteen) { c.put(eventlog.ManifestKey(11), []byte("{")) },
			kinds{logcheck.ManifestDiffers: 1}, kinds{logcheck.ManifestDiffers: 1}, nil,
		},
		"a manifest beside is larger than any": {
			func(c *canteen) {
				c.put(eventlog.ManifestKey(11), bytes.Repeat([]byte(" "), eventlog.MaxManifestBytes+1))
			},
			kinds{logcheck.ManifestDiffers: 1}, kinds{logcheck.ManifestDiffers: 1}, nil,
		},
		"a manifest beside is another's": {
			func(c *canteen) { c.put(eventlog.ManifestKey(11), c.get(eventlog.ManifestKey(21))) },
			kinds{logcheck.ManifestDiffers: 1}, kinds{logcheck.ManifestDiffers: 1}, nil,
		},
		"a manifest beside is damaged, and so is its segment": {
			func(c *canteen) {
				c.put(eventlog.ManifestKey(21), []byte("{"))
				c.put(c.segment(2).Key, bytes.Repeat([]byte("x"), int(c.segment(2).Bytes)))
			},
			kinds{logcheck.ManifestDiffers: 1}, kinds{logcheck.ManifestDiffers: 1, logcheck.ObjectDamaged: 6, logcheck.EventMissing: 10},
			kinds{logcheck.ManifestDiffers: 1, logcheck.ObjectDamaged: 6, logcheck.EventMissing: 10},
		},
		"the ledger's manifest has another digest": {
			func(c *canteen) { c.damageLedger(func(m *eventlog.Manifest) { m.SHA256 = strings.Repeat("0", 64) }) },
			kinds{logcheck.BadManifest: 1, logcheck.ChainBroken: 1}, kinds{logcheck.BadManifest: 1, logcheck.ChainBroken: 1, logcheck.ObjectDamaged: 1},
			kinds{logcheck.BadManifest: 1, logcheck.ChainBroken: 1, logcheck.ObjectDamaged: 1},
		},
		"the ledger's manifest has another size": {
			func(c *canteen) { c.damageLedger(func(m *eventlog.Manifest) { m.RawBytes = -1 }) },
			kinds{logcheck.BadManifest: 1, logcheck.ChainBroken: 1}, kinds{logcheck.BadManifest: 1, logcheck.ChainBroken: 1},
			kinds{logcheck.BadManifest: 1, logcheck.ChainBroken: 1},
		},
		"the ledger was lost": {
			func(c *canteen) { c.useLedger(memory.NewLedger()) },
			kinds{logcheck.ManifestExtra: 4}, kinds{logcheck.ManifestExtra: 4, logcheck.EventMissing: 40}, kinds{logcheck.ManifestExtra: 4, logcheck.EventMissing: 40},
		},
		"events did not reach the log": {
			func(c *canteen) { c.place(50); c.place(51); c.archive(4, 1, 2) },
			nil, kinds{logcheck.EventMissing: 2}, nil,
		},
		"a whole day did not reach the log": {
			func(c *canteen) {
				for n := range 30 {
					c.place(100 + n)
				}
			},
			nil, kinds{logcheck.EventMissing: 60}, nil,
		},
		"the log has an event that the store has not": {
			func(c *canteen) { c.commit([]eventlog.Record{{Source: "x", Event: stray("o1", 3)}}) },
			nil, kinds{logcheck.EventExtra: 1}, kinds{logcheck.EventExtra: 1},
		},
		"the log has a stream that the store has not": {
			func(c *canteen) {
				c.commit([]eventlog.Record{{Source: "x", Event: stray("o999", 1)}, {Source: "y", Event: stray("o999", 2)}})
			},
			nil, kinds{logcheck.EventExtra: 2}, kinds{logcheck.EventExtra: 2},
		},
		"the log has another event than the store": {
			func(c *canteen) {
				c.place(60)
				c.archived += 2
				events, err := c.store.Load(c.t.Context(), "order-o60", 0)
				if err != nil {
					c.t.Fatal(err)
				}
				events[1].Actor = "somebody else"
				c.commit([]eventlog.Record{{Source: "x", Event: events[0]}, {Source: "y", Event: events[1]}})
			},
			nil, kinds{logcheck.EventDiffers: 1}, kinds{logcheck.EventDiffers: 1},
		},
		"the log has two events of one version": {
			func(c *canteen) { c.commit([]eventlog.Record{{Source: "x", Event: stray("o1", 2)}}) },
			nil, kinds{logcheck.EventDiffers: 1}, kinds{logcheck.EventDiffers: 1},
		},
		"the log has an event without a version": {
			func(c *canteen) { c.commit([]eventlog.Record{{Source: "x", Event: stray("o1", 0)}}) },
			nil, kinds{logcheck.LineUnreadable: 1}, kinds{logcheck.LineUnreadable: 1},
		},
		"a line is no event": {
			func(c *canteen) {
				e := stray("o1", 3)
				e.Payload = []byte(`{]`)
				c.commit([]eventlog.Record{{Source: "x", Event: e}})
			},
			nil, kinds{logcheck.LineUnreadable: 1}, kinds{logcheck.LineUnreadable: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := filled(t)
			d.damage(c)
			c.now = c.now.Add(logcheck.MinSweepAge)
			wantKinds(t, "shallow", c.verify(logcheck.Options{}).Findings, d.shallow)
			wantKinds(t, "deep", c.verify(logcheck.Options{Deep: true}).Findings, d.deep)
			wantKinds(t, "fixing", c.verify(logcheck.Options{Deep: true, Fix: true}).Findings, d.deep)
			c.now = c.now.Add(logcheck.MinSweepAge)
			wantKinds(t, "after a fix", c.verify(logcheck.Options{Deep: true}).Findings, d.after)
		})
	}
}

// stray is an event that is in no store.
func stray(id string, version uint64) event.Event {
	return event.Event{
		ID: "stray", Type: order.PlacedType, OccurredAt: event.InstantOf(start) + 5, Payload: []byte(`{"orderId":"` + id + `","total":1}`),
		Stream: order.Stream(id), Version: version, Schema: 1,
	}
}

func TestAByteThatChangedIsFoundByTheDigest(t *testing.T) {
	t.Parallel()
	c := filled(t)
	m := c.segment(0)
	data := c.get(m.Key)
	last := m.Frames[len(m.Frames)-1]
	data[last.Offset+last.Length-1] ^= 1 // in the frame's own check sum
	c.put(m.Key, data)
	wantKinds(t, "shallow", c.verify(logcheck.Options{}).Findings, nil)
	r := c.verify(logcheck.Options{Deep: true, Fix: true})
	if r.Counts[logcheck.ObjectDamaged] != 2 || r.Sound || r.Appended != 0 {
		t.Errorf("%+v", r)
	}
	for _, p := range r.Problems {
		if p.Kind == logcheck.EventMissing && (p.Fixed || !strings.Contains(p.Detail, "cannot be read")) {
			t.Errorf("%+v", p)
		}
	}
}

// TestAFixedLogIsWholeAgain also reads it: what was appended late is there as it is in the store.
func TestAFixedLogIsWholeAgain(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	for n := range 20 {
		c.place(n)
	}
	c.archive(20, 0, 3, 4, 5, 19)
	c.archive(10, 0, 1, 2, 3, 4, 5, 6, 7, 8)
	c.now = c.now.Add(logcheck.MinSweepAge)
	r := c.verify(logcheck.Options{Deep: true, Fix: true})
	wantKinds(t, "fixing", r.Findings, map[logcheck.Kind]int{logcheck.EventMissing: 5 + 9 + 10})
	if r.Appended != 24 {
		t.Errorf("%d events were appended", r.Appended)
	}
	for range 2 {
		again := c.verify(logcheck.Options{Deep: true, Fix: true})
		wantKinds(t, "again", again.Findings, nil)
		if again.Appended != 0 || again.Repeats != 0 || again.Read != 40 {
			t.Errorf("%+v", again)
		}
	}
}

func TestRepeatsAreCountedAndAreNoProblem(t *testing.T) {
	t.Parallel()
	c := filled(t)
	events, _, err := c.store.Read(t.Context(), "3", 5)
	if err != nil {
		t.Fatal(err)
	}
	var batch []eventlog.Record
	for i, e := range events {
		batch = append(batch, eventlog.Record{Source: "again/" + string(rune('a'+i)), Event: e})
	}
	c.commit(batch)
	r := c.verify(logcheck.Options{Deep: true})
	wantKinds(t, "with repeats", r.Findings, nil)
	if r.Repeats != 5 || r.Read != 45 || r.Events != 40 {
		t.Errorf("%+v", r)
	}
	stats, err := c.log.Stats(t.Context(), true)
	if err != nil || *stats.Repeats != 5 || *stats.Streams != 20 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestManifestsThatContradictThemselvesAreFound(t *testing.T) {
	t.Parallel()
	c := filled(t)
	good, err := c.ledger.Manifests(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[logcheck.Kind]func(m []eventlog.Manifest) []eventlog.Manifest{
		logcheck.Hole:        func(m []eventlog.Manifest) []eventlog.Manifest { return append(m[:1:1], m[2:]...) },
		logcheck.BadManifest: func(m []eventlog.Manifest) []eventlog.Manifest { m[1].Partitions = 8; return m },
		logcheck.WrongHead:   func(m []eventlog.Manifest) []eventlog.Manifest { return m[:3] },
	} {
		spoilt := spoil(append([]eventlog.Manifest(nil), good...))
		c.log.Ledger = &fixedLedger{c.ledger, spoilt}
		r := c.verify(logcheck.Options{})
		if r.Counts[name] == 0 || r.Sound {
			t.Errorf("%s: %+v", name, r.Problems)
		}
	}
	times := append([]eventlog.Manifest(nil), good...)
	times[2].OldestAt--
	c.log.Ledger = &fixedLedger{c.ledger, times}
	r := c.verify(logcheck.Options{Deep: true})
	if r.Counts[logcheck.BadManifest] != 1 || !bytes.Contains([]byte(r.Problems[len(r.Problems)-1].Detail), []byte("happened from")) {
		t.Errorf("%+v", r.Problems)
	}
}
