package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/wait"
)

// Promotion is the outcome of a promotion.
type Promotion struct {
	Number uint64    // of the fence in the log
	At     time.Time // when the fence was seen to be there
}

// Fence puts a fence where the log of the place ends, and takes in everything before it and the fence itself. If
// something else is there, that is taken in first. From then on no other installation can extend the log. by names
// who promotes. It may be repeated; each time there is another fence.
func (s *Standby) Fence(ctx context.Context, by string) (Promotion, error) {
	for {
		if err := s.CatchUp(ctx); err != nil {
			return Promotion{}, err
		}
		number, err := s.fence(ctx, by)
		if errors.Is(err, eventlog.ErrExists) {
			continue
		}
		if err != nil {
			return Promotion{}, fmt.Errorf("putting a fence: %w", err)
		}
		done := Promotion{Number: number, At: s.Now()}
		_, err = s.Step(ctx) // the fence alone: what follows it is another promotion, which this one must not join
		return done, err
	}
}

// fence puts a fence at the next number. It fails with eventlog.ErrExists if something is there.
func (s *Standby) fence(ctx context.Context, by string) (number uint64, err error) {
	at, id := event.InstantOf(s.Now()), s.NewID()
	e, err := fence(id, by, at)
	if err != nil {
		return 0, err
	}
	m, data, err := eventlog.Next(ctx, s.Ledger, []eventlog.Record{{Event: e}}, at, id)
	if err != nil {
		return 0, err
	}
	entry, err := m.Encode()
	if err == nil {
		err = s.Place.Put(ctx, m.Key, data)
	}
	if err == nil {
		err = s.Place.Create(ctx, entryKey(m.First), entry)
	}
	if err != nil {
		return 0, err
	}
	return m.First, s.Place.Put(ctx, eventlog.ManifestKey(m.First), entry)
}

// Await waits until no primary of the old log can acknowledge a command any more: lease from when the fence was
// there.
func (p Promotion) Await(ctx context.Context, lease time.Duration, now func() time.Time) error {
	return wait.For(ctx, lease-now().Sub(p.At))
}
