package audit_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/audit"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/memory"
)

// sealed is a log that is signed in rounds.
type sealed struct {
	ledger  *memory.Ledger
	blobs   *memory.Blobs
	control *memory.Control
	signer  seal.Signer
	lines   bytes.Buffer
}

func newSealed(t *testing.T) *sealed {
	return &sealed{memory.NewLedger(), memory.NewBlobs(), memory.NewControl(), &files.SigningKey{Path: filepath.Join(t.TempDir(), "audit.key")}, bytes.Buffer{}}
}

func (s *sealed) rounds() *audit.Rounds {
	trust := func(ctx context.Context) (seal.Keys, error) {
		keys := seal.Keys{}
		key, err := s.signer.Public(ctx)
		return keys, errors.Join(err, keys.Add(key))
	}
	check := &seal.Check{Ledger: s.ledger, Places: []eventlog.BlobReader{s.blobs}, Trust: trust}
	return &audit.Rounds{Keeper: &seal.Keeper{Check: check, Blobs: s.blobs, Signer: s.signer, Now: time.Now}, Checkpoints: s.control, Now: time.Now}
}

func (s *sealed) grow(t *testing.T, id string) {
	t.Helper()
	a := eventlog.Archiver{Ledger: s.ledger, Blobs: s.blobs, Now: time.Now, NewID: func() string { return id }}
	_, err := a.Commit(t.Context(), []eventlog.Record{{Source: id, Event: event.Event{ID: id, Type: "T", Stream: "s-" + id, Version: 1, Payload: []byte("{}")}}})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *sealed) context(t *testing.T) context.Context {
	return observe.WithLogger(t.Context(), zerolog.New(&s.lines))
}

func (s *sealed) health(t *testing.T) string {
	t.Helper()
	detail, err := health.AuditChain(s.control, nil).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return detail
}

func TestALogIsSignedEachHourWhenItHasGrown(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	s.grow(t, "a")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(s.context(t))
		done := make(chan struct{})
		go func() { s.rounds().Run(ctx); close(done) }()
		for _, id := range []string{"", "b", "c"} {
			if id != "" {
				s.grow(t, id)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		time.Sleep(2 * time.Hour)
		cancel()
		<-done
	})
	seals, err := s.blobs.List(t.Context(), seal.Folder, "", 10)
	if err != nil || len(seals) != 3 {
		t.Errorf("%v, %v", seals, err)
	}
	if got := s.health(t); !strings.Contains(got, "signed up to event 3") {
		t.Error(got)
	}
}

func TestARoundThatFindsAnotherLogSaysSoAndSignsNothing(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	if got := s.health(t); got != "nothing has been signed yet" {
		t.Error(got)
	}
	s.grow(t, "a")
	if err := s.rounds().Once(s.context(t)); err != nil {
		t.Fatal(err)
	}
	s.ledger = memory.NewLedger()
	if err := s.blobs.Delete(t.Context(), eventlog.ManifestKey(1)); err != nil {
		t.Fatal(err)
	}
	s.grow(t, "b")
	s.grow(t, "c")
	if err := s.rounds().Once(s.context(t)); !errors.Is(err, seal.ErrContradicted) {
		t.Fatal(err)
	}
	if got := s.lines.String(); strings.Count(got, "audit:sealed") != 1 || strings.Count(got, "audit:broken") != 1 {
		t.Error(got)
	}
	if got := s.health(t); !strings.Contains(got, "contradicts") || !strings.Contains(got, "audit-broken.md") {
		t.Error(got)
	}
}
