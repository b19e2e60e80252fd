package faultport_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gakushoku/internal/engine/backup"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/store/memory"
)

// keeping is a log in memory, and a place for its backups.
type keeping struct {
	t        *testing.T
	now      time.Time
	ids      int
	ledger   *memory.Ledger
	blobs    *memory.Blobs
	place    *memory.Blobs
	control  memory.Control
	subjects *memory.SubjectKeys
}

func newKeeping(t *testing.T) *keeping {
	k := &keeping{t: t, now: time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC), ledger: memory.NewLedger(), blobs: memory.NewBlobs(), subjects: memory.NewSubjectKeys()}
	k.place = &memory.Blobs{Now: func() time.Time { return k.now }}
	k.archive(3)
	k.must(k.control.AddCredential(t.Context(), credential.KindKey, credential.Record{ID: "k1", Value: []byte(`{}`)}))
	_, err := k.subjects.Add(t.Context(), "guest-1", subject.Key{1})
	k.must(err)
	return k
}

func (k *keeping) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// archive adds segments of two events.
func (k *keeping) archive(segments int) {
	archiver := &eventlog.Archiver{Ledger: k.ledger, Blobs: k.blobs, Now: func() time.Time { return k.now }, NewID: k.id}
	for range segments {
		var batch []eventlog.Record
		for range 2 {
			id := k.id()
			batch = append(batch, eventlog.Record{Source: id, Event: event.Event{
				ID: id, Type: "Happened", OccurredAt: event.InstantOf(k.now), CorrelationID: "c", Payload: []byte(`{}`), Stream: "thing-" + id, Version: 1, Schema: 1,
			}})
		}
		_, err := archiver.Commit(k.t.Context(), batch)
		k.must(err)
	}
}

func (k *keeping) id() string { k.ids++; return fmt.Sprintf("id%04d", k.ids) }

// create makes a backup with all ports behind a gate, in a minute of its own.
func (k *keeping) create(ctx context.Context, g faultport.Gate) error {
	k.now = k.now.Add(time.Minute)
	source := &backup.Source{
		ID: "here", Program: "test", Flush: func(context.Context) error { return nil },
		Log:         &eventlog.Reader{Ledger: faultport.Ledger{Ledger: k.ledger, Gate: g}, Blobs: faultport.Blobs{Blobs: k.blobs, Gate: g}},
		Credentials: &k.control, Subjects: k.subjects,
		Settings: func(context.Context) (map[string]string, error) { return map[string]string{"a": "b"}, nil },
		Now:      func() time.Time { return k.now }, NewID: k.id,
	}
	_, err := source.Create(ctx, faultport.Blobs{Blobs: k.place, Gate: g})
	return err
}

// prune removes what is older than two minutes.
func (k *keeping) prune(ctx context.Context, g faultport.Gate) error {
	_, err := backup.Prune(ctx, faultport.Blobs{Blobs: k.place, Gate: g}, 2*time.Minute, k.now, k.id(), false)
	return err
}

// wantListedSound checks that every backup that is listed is sound, and returns how many there are.
func (k *keeping) wantListedSound() (n int, newest uint64) {
	k.t.Helper()
	ctx := context.Background()
	ids, err := backup.IDs(ctx, k.place)
	k.must(err)
	for _, id := range ids {
		c, err := backup.Find(ctx, k.place, id)
		k.must(err)
		r, err := backup.Verify(ctx, k.place, c, true, nil)
		if err != nil || !r.Sound {
			k.t.Errorf("%s is listed: %+v %v", id, r, err)
		}
		newest = c.Head.Number
	}
	return len(ids), newest
}

func (k *keeping) state() string {
	_, newest := k.wantListedSound()
	return fmt.Sprint(newest)
}

// A backup that is cut off at any call is listed and sound, or not listed; the next one is.
func TestABackupIsListedAndSoundOrNotListed(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(k *keeping){
		"the first":          func(*keeping) {},
		"one after others":   func(k *keeping) { k.must(k.create(k.t.Context(), &faultport.Faults{})); k.archive(2) },
		"one of what it was": func(k *keeping) { k.must(k.create(k.t.Context(), &faultport.Faults{})) },
		"one after an erasure": func(k *keeping) {
			k.must(k.create(k.t.Context(), &faultport.Faults{}))
			_, _, err := k.subjects.Erase(k.t.Context(), "guest-1", event.InstantOf(k.now))
			k.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faultport.Sweep(t, func(t *testing.T) faultport.Trial {
				k := newKeeping(t)
				before(k)
				return faultport.Trial{Run: k.create, State: k.state, Again: func(ctx context.Context, g faultport.Gate) error {
					k.wantListedSound()
					k.now = k.now.Add(25 * time.Hour) // a turn that could not be given back has run out
					return k.create(ctx, g)
				}}
			})
		})
	}
}

func TestAPruneThatIsCutOffHarmsNoBackup(t *testing.T) {
	t.Parallel()
	faultport.Sweep(t, func(t *testing.T) faultport.Trial {
		k := newKeeping(t)
		for range 4 {
			k.must(k.create(t.Context(), &faultport.Faults{}))
			k.archive(1)
			k.must(k.control.AddCredential(t.Context(), credential.KindKey, credential.Record{ID: k.id(), Value: []byte(`{}`)}))
		}
		k.must(k.place.Put(t.Context(), eventlog.SegmentFolder+"orphan", []byte("x")))
		k.now = k.now.Add(48 * time.Hour)
		return faultport.Trial{Run: k.prune, State: func() string {
			n, _ := k.wantListedSound()
			listed, err := k.place.List(context.Background(), eventlog.SegmentFolder, "", 100)
			k.must(err)
			return fmt.Sprint(n, len(listed))
		}}
	})
}
