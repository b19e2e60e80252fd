package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// Check refuses a request that Prepare would refuse at any time: one that makes no sense, or that names an
// unknown projection or unknown streams.
func (e *Engine) Check(ctx context.Context, r *Request) error {
	_, _, err := e.check(ctx, r)
	return err
}

func (e *Engine) check(ctx context.Context, r *Request) (Mode, model.Projection, error) {
	mode, err := r.mode()
	if err != nil {
		return mode, model.Projection{}, err
	}
	d, err := e.newest(r.Projection)
	if err == nil && len(r.Streams) > 0 {
		err = e.knownStreams(ctx, d, r.Streams)
	}
	return mode, d, err
}

// maxNamed bounds the streams that a refusal names.
const maxNamed = 10

// knownStreams refuses streams that have neither events nor a row. They are most likely misspelt; healing
// them would do nothing and report success.
func (e *Engine) knownStreams(ctx context.Context, d model.Projection, streams []string) error {
	unknown := slices.DeleteFunc(slices.Clone(streams), d.Folds)
	if len(unknown) > 0 {
		return refusedAlways("%s of %s: a stream's name begins with %q, such as %s", listed(unknown), d.Name, d.Streams, d.Streams+unknown[0])
	}
	for page := range slices.Chunk(streams, healPage) {
		histories, err := e.Streams.LoadMany(ctx, page)
		if err != nil {
			return fmt.Errorf("looking for the streams to repair: %w", err)
		}
		unknown = append(unknown, slices.DeleteFunc(slices.Clone(page), func(s string) bool { return len(histories[s]) > 0 })...)
	}
	unknown, err := e.withoutRow(ctx, d.Name, unknown)
	if err != nil || len(unknown) == 0 {
		return err
	}
	return refused("%s: no event is in the event store, and no row in a table version: check the names", listed(unknown))
}

// withoutRow returns the streams that have no row in any live version.
func (e *Engine) withoutRow(ctx context.Context, name string, streams []string) ([]string, error) {
	if len(streams) == 0 {
		return nil, nil
	}
	pointer, err := e.Pointers.Pointer(ctx, name)
	if errors.Is(err, projection.ErrNoPointer) {
		return nil, nil // reported later
	}
	if err != nil {
		return nil, err
	}
	for _, v := range pointer.Versions {
		for page := range slices.Chunk(slices.Clone(streams), healPage) {
			if !v.Live() {
				continue
			}
			rows, err := e.Tables.Records(ctx, pointer.Table(v), page)
			if err != nil {
				return nil, fmt.Errorf("looking for the rows to repair: %w", err)
			}
			streams = slices.DeleteFunc(streams, func(s string) bool { _, ok := rows[s]; return ok })
		}
	}
	return streams, nil
}

// listed names a few of the unknown streams.
func listed(streams []string) string {
	text := "unknown stream " + strings.Join(streams[:min(len(streams), maxNamed)], ", ")
	if more := len(streams) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
