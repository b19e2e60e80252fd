package logcheck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// ErrLeftOut means that objects without a manifest hold events that are not in the log.
var ErrLeftOut = errors.New("the log does not have all events of its objects")

// place is an event's stream, id and version.
type place struct {
	stream, id string
	version    uint64
}

// NothingLeftOut is for users of the log who have no event store: it fails with ErrLeftOut if an object that
// no manifest in the ledger names holds events that the log has nowhere else. Objects left by archivers that
// died hold no such events.
func (l *Log) NothingLeftOut(ctx context.Context) error {
	unnamed := map[string]bool{}
	err := l.objects(ctx, eventlog.SegmentFolder, func(b eventlog.Blob) error {
		unnamed[b.Key] = true
		return nil
	})
	if err != nil {
		return err
	}
	log := &eventlog.Reader{Ledger: l.Ledger, Blobs: l.Blobs}
	head, err := log.Head(ctx)
	if err == nil {
		err = log.Manifests(ctx, 0, head.Number, func(m *eventlog.Manifest) error {
			delete(unnamed, m.Key)
			return nil
		})
	}
	if err != nil || len(unnamed) == 0 {
		return err
	}
	left, err := l.placesIn(ctx, slices.Sorted(maps.Keys(unnamed)))
	if err != nil {
		return err
	}
	err = log.Events(ctx, 0, head.Number, func(_ uint64, e *event.Event) error {
		delete(left, place{e.Stream, e.ID, e.Version})
		return nil
	})
	if err != nil || len(left) == 0 {
		return err
	}
	keys := slices.Compact(slices.Sorted(maps.Values(left)))
	return fmt.Errorf("%w: %d events are only in %s, which no manifest names: put the manifest of it back from a backup; to go on without these events, move it to a place where it is kept",
		ErrLeftOut, len(left), strings.Join(keys, ", "))
}

// placesIn returns the events in objects, each with its object's key.
func (l *Log) placesIn(ctx context.Context, keys []string) (map[place]string, error) {
	places := map[place]string{}
	var e event.Event
	for _, key := range keys {
		data, err := l.Blobs.Get(ctx, key)
		if err == nil {
			err = eventlog.EachLine(data, func(line []byte) error {
				err := event.Decode(line, &e)
				if err == nil {
					places[place{strings.Clone(e.Stream), strings.Clone(e.ID), e.Version}] = key
				}
				return err
			})
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s, which no manifest names, cannot be read: restore it from a backup; to go on without it, move it to a place where it is kept: %w", ErrLeftOut, key, err)
		}
	}
	return places, nil
}
