package replica

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Divergence is how the log of an old primary compares with that of a place.
type Divergence struct {
	Common uint64 // number of the last event that both have in the same segments
	Ours   uint64 // of the last event here
	Fenced bool   // the place goes on in another way: another installation was promoted
}

// Compare finds where two logs part. Each manifest has the chain's hash of the log before it, so once they differ
// they stay different.
func Compare(ctx context.Context, own *eventlog.Reader, place eventlog.BlobReader) (Divergence, error) {
	head, err := own.Head(ctx)
	if err != nil {
		return Divergence{}, err
	}
	var all []eventlog.Manifest
	err = own.Manifests(ctx, 0, head.Number, func(m *eventlog.Manifest) error {
		all = append(all, *m)
		return nil
	})
	if err != nil {
		return Divergence{}, err
	}
	var failed error
	common := sort.Search(len(all), func(i int) bool {
		there, err := readEntry(ctx, place, all[i].First)
		if err != nil && !errors.Is(err, eventlog.ErrNoBlob) {
			failed = errors.Join(failed, err)
		}
		return err != nil || !there.Equal(&all[i])
	})
	if failed != nil {
		return Divergence{}, fmt.Errorf("comparing with the place: %w", failed)
	}
	d := Divergence{Ours: head.Number}
	if common > 0 {
		d.Common = all[common-1].Last
	}
	next, err := readEntry(ctx, place, d.Common+1)
	switch {
	case errors.Is(err, eventlog.ErrNoBlob):
		return d, nil
	case err != nil:
		return d, err
	case d.Common == 0 && len(all) > 0:
		if d.Fenced, err = isFence(ctx, place, &next); err == nil && !d.Fenced {
			err = ErrOtherLog
		}
		return d, err
	}
	d.Fenced = true
	return d, nil
}

// Lost calls f with each event of the own log that the place's log lacks, in the order of the log.
func Lost(ctx context.Context, own *eventlog.Reader, place eventlog.BlobReader, d Divergence, f func(*event.Event) error) error {
	there := map[string]bool{}
	for next := d.Common + 1; ; {
		m, err := readEntry(ctx, place, next)
		if errors.Is(err, eventlog.ErrNoBlob) {
			break
		}
		if err != nil {
			return err
		}
		data, err := readSegment(ctx, place, &m)
		if err != nil {
			return err
		}
		events, err := eventsOf(data, &m)
		if err != nil {
			return err
		}
		for i := range events {
			there[events[i].ID] = true
		}
		next = m.Last + 1
	}
	return own.Events(ctx, d.Common, d.Ours, func(_ uint64, e *event.Event) error {
		if there[e.ID] {
			return nil
		}
		return f(e)
	})
}
