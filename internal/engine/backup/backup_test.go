package backup_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/backup"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

func TestABackupIsRestoredAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.take(20)
	}
	w.must(w.control.AddCredential(t.Context(), credential.KindKey, credential.Record{ID: "k1", Value: []byte(`{"a":1}`)}))
	_, err := w.subjects.Add(t.Context(), "guest-1", subject.Key{1})
	w.must(err)
	c := w.create()
	w.wantSound(c, true)
	got, err := w.restore(c, backup.Point{})
	w.must(err)
	w.wantSame("the log", w.events, w.logOf(got.ledger, got.blobs))
	w.wantSame("the event store", w.events, got.stored)
	before, err := w.ledger.Head(t.Context())
	w.must(err)
	after, err := got.ledger.Head(t.Context())
	w.must(err)
	w.wantSame("the head", before, after)
	w.wantSame("the mark", eventstore.Mark{Number: 60, ID: w.events[59].ID}, got.Last)
	w.wantSame("settings", map[string]string{"audit.pub": "public"}, got.settings)
	keys, err := got.control.Credentials(t.Context(), credential.KindKey)
	if err != nil || len(keys) != 1 || keys[0].ID != "k1" {
		t.Errorf("keys %+v %v", keys, err)
	}
	if key, err := got.subjects.Key(t.Context(), "guest-1"); err != nil || key != (subject.Key{1}) {
		t.Errorf("subject %v %v", key, err)
	}
}

func TestAnUnchangedInstallationCostsOneObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(20)
	_, err := w.subjects.Add(t.Context(), "guest-1", subject.Key{1})
	w.must(err)
	first := w.create()
	before := w.keys()
	w.now = w.now.Add(24 * time.Hour)
	second := w.create()
	w.wantSame("objects", len(before)+1, len(w.keys()))
	w.wantSame("copied", backup.Copied{}, second.Copied)
	w.wantSound(first, true)
	w.wantSound(second, true)
	w.take(5)
	w.wantSame("copied", 2, w.create().Copied.Objects)
}

func TestEveryNumberCanBeRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.take(15)
	}
	c := w.create()
	for n := 1; n <= len(w.events); n++ {
		got, err := w.restore(c, backup.Point{Number: uint64(n)})
		w.must(err)
		w.wantSame(fmt.Sprintf("the log up to %d", n), w.events[:n], w.logOf(got.ledger, got.blobs))
		w.wantSame(fmt.Sprintf("the store up to %d", n), w.events[:n], got.stored)
	}
}

func TestAMomentIsInclusive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.take(15)
	}
	c := w.create()
	for n := 1; n <= len(w.events); n++ {
		until := event.InstantOf(began.Add(time.Duration(n) * time.Second))
		got, err := w.restore(c, backup.Point{Until: until})
		w.must(err)
		want := slices.DeleteFunc(slices.Clone(w.events), func(e event.Event) bool { return e.OccurredAt > until })
		w.wantSame(fmt.Sprintf("the log at %s", until), want, w.logOf(got.ledger, got.blobs))
		if len(want) != n || got.NewestAt != until {
			t.Errorf("%d events up to %s, the newest at %s", len(want), until, got.NewestAt)
		}
	}
}

func TestPointsOutsideOfABackupAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(10)
	c := w.create()
	later := w.now.Add(time.Hour)
	for want, p := range map[string]backup.Point{
		"no event 11":             {Number: 11},
		"is in the future":        {Until: event.InstantOf(later.Add(time.Millisecond))},
		"before the first event":  {Until: event.InstantOf(began)},
		"after the backup was ma": {Until: event.InstantOf(later)},
	} {
		if err := p.Check(c, later); !errors.Is(err, backup.ErrNoPoint) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "events 1 to 10") {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range []backup.Point{{}, {Number: 10}, {Until: c.CreatedAt}, {Until: c.OldestAt}} {
		if err := p.Check(c, later); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(w *world, m eventlog.Manifest) (deepOnly bool){
		"a segment is missing": func(w *world, m eventlog.Manifest) bool { w.must(w.place.Delete(w.Context(), m.Key)); return false },
		"a manifest is missing": func(w *world, m eventlog.Manifest) bool {
			w.must(w.place.Delete(w.Context(), eventlog.ManifestKey(m.First)))
			return false
		},
		"a segment is shorter": func(w *world, m eventlog.Manifest) bool {
			w.must(w.place.Put(w.Context(), m.Key, []byte("x")))
			return false
		},
		"a byte of a segment differs": func(w *world, m eventlog.Manifest) bool {
			data, err := w.place.Get(w.Context(), m.Key)
			w.must(err)
			data[len(data)/2] ^= 1
			w.must(w.place.Put(w.Context(), m.Key, data))
			return true
		},
		"a manifest was changed": func(w *world, m eventlog.Manifest) bool {
			m.NewestAt++
			w.must(eventlog.PutManifest(w.Context(), w.place, &m))
			return false
		},
		"the device keys are missing": func(w *world, _ eventlog.Manifest) bool {
			for _, key := range w.keys() {
				if strings.HasPrefix(key, "parts/") {
					w.must(w.place.Delete(w.Context(), key))
				}
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range 3 {
				w.take(10)
			}
			c := w.create()
			m, err := w.ledger.Manifests(t.Context(), 10, 1)
			w.must(err)
			deepOnly := harm(w, m[0])
			for _, deep := range []bool{false, true} {
				r, err := backup.Verify(t.Context(), w.place, c, deep, nil)
				if err != nil || r.Sound != (deepOnly && !deep) {
					t.Errorf("deep %t: %+v %v", deep, r, err)
				}
			}
			if _, err := w.restore(c, backup.Point{}); err == nil {
				t.Error("it was restored")
			}
		})
	}
}

func TestABackupMendsWhatThePlaceHasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(10)
	first := w.create()
	m, err := w.ledger.Manifests(t.Context(), 0, 1)
	w.must(err)
	w.must(w.place.Delete(t.Context(), m[0].Key))
	w.now = w.now.Add(time.Hour)
	w.create()
	w.wantSound(first, true)
}

func TestADamagedLogIsNotBackedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(10)
	m, err := w.ledger.Manifests(t.Context(), 0, 1)
	w.must(err)
	w.must(w.blobs.Put(t.Context(), m[0].Key, []byte("x")))
	if _, err := w.source().Create(t.Context(), w.place); !errors.Is(err, backup.ErrDamaged) {
		t.Error(err)
	}
	if ids, err := backup.IDs(t.Context(), w.place); err != nil || len(ids) > 0 {
		t.Errorf("%v %v", ids, err)
	}
}

func TestThePlaceOfAnotherLogIsRefused(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	w.take(10)
	other.ids = 100
	other.take(10)
	w.create()
	other.place = w.place
	if _, err := other.source().Create(t.Context(), w.place); !errors.Is(err, backup.ErrOtherLog) {
		t.Error(err)
	}
}

// An erasure reaches the backups from before it at the next one.
func TestErasedSubjectsStayErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(10)
	for _, who := range []string{"guest-1", "guest-2"} {
		_, err := w.subjects.Add(t.Context(), who, subject.Key{7, 7, 7})
		w.must(err)
	}
	before := w.create()
	_, _, err := w.subjects.Erase(t.Context(), "guest-1", event.InstantOf(w.now))
	w.must(err)
	w.now = w.now.Add(time.Hour)
	w.create()
	got, err := w.restore(before, backup.Point{})
	w.must(err)
	if _, err := got.subjects.Key(t.Context(), "guest-1"); !errors.Is(err, subject.ErrErased) {
		t.Errorf("%v", err)
	}
	if _, err := got.subjects.Key(t.Context(), "guest-2"); err != nil {
		t.Error(err)
	}
	// An older copy of the keys does not bring the key back into the place.
	w.subjects = memory.NewSubjectKeys()
	_, err = w.subjects.Add(t.Context(), "guest-1", subject.Key{7, 7, 7})
	w.must(err)
	w.now = w.now.Add(time.Hour)
	again, err := w.restore(w.create(), backup.Point{})
	w.must(err)
	if _, err := again.subjects.Key(t.Context(), "guest-1"); !errors.Is(err, subject.ErrErased) {
		t.Errorf("%v", err)
	}
}

func TestAPruneKeepsWhatBackupsNeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []*backup.Catalogue
	for day := range 10 {
		w.take(5)
		w.must(w.control.AddCredential(t.Context(), credential.KindKey, credential.Record{ID: fmt.Sprint(day), Value: []byte(`{}`)}))
		all = append(all, w.create())
		w.now = w.now.Add(24 * time.Hour)
	}
	w.must(w.place.Put(t.Context(), eventlog.SegmentFolder+"2026-01-24/orphan.jsonl.zst", []byte("x")))
	p, err := backup.Prune(t.Context(), w.place, 72*time.Hour+time.Hour, w.now, w.id(), false)
	w.must(err)
	w.wantSame("pruned", &backup.Pruned{Kept: 3, Removed: []string{all[0].ID, all[1].ID, all[2].ID, all[3].ID, all[4].ID, all[5].ID, all[6].ID}, Objects: 7, Bytes: p.Bytes}, p)
	for _, c := range all[7:] {
		w.wantSound(c, true)
	}
	w.now = w.now.Add(1000 * time.Hour)
	p, err = backup.Prune(t.Context(), w.place, time.Hour, w.now, w.id(), false)
	w.must(err)
	w.wantSame("the newest is kept, the orphan is old now", []int{1, 2}, []int{p.Kept, len(p.Removed)})
	w.wantSound(all[9], true)
	for _, key := range w.keys() {
		if strings.Contains(key, "orphan") || strings.HasPrefix(key, "turns/") {
			t.Errorf("%s is left", key)
		}
	}
}

// A damaged catalogue does not keep new backups from being made, and is not the newest one for a prune.
func TestADamagedCatalogueIsDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(5)
	good := w.create()
	w.now = w.now.Add(time.Hour)
	bad := w.create()
	w.must(w.place.Put(t.Context(), backup.CatalogueFolder+bad.ID+".json", []byte("{")))
	w.now = w.now.Add(1000 * time.Hour)
	p, err := backup.Prune(t.Context(), w.place, time.Hour, w.now, w.id(), false)
	if err != nil || p.Kept != 1 || len(p.Removed) > 0 {
		t.Errorf("%+v %v", p, err)
	}
	w.wantSound(good, true)
	w.take(5)
	w.wantSound(w.create(), true)
}
