package verify

import (
	"context"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
)

// reading reads the page after a cursor, as Inspector.Scan and Lister.Streams do.
type reading[P any] func(ctx context.Context, cursor string) (page P, next string, err error)

func rowsOf(tables projection.Inspector, t projection.Table, part eventstore.Part) reading[[]projection.Record] {
	return func(ctx context.Context, cursor string) ([]projection.Record, string, error) {
		return tables.Scan(ctx, t, part, cursor, pageSize)
	}
}

func snapshotOf(s projection.Snapshot) reading[[]projection.Record] {
	return func(ctx context.Context, cursor string) ([]projection.Record, string, error) {
		return s.Scan(ctx, cursor, pageSize)
	}
}

// walk reads pages one after the other and works on several at once. With one worker no two things happen at
// the same time, so that a simulation is deterministic.
func walk[P any](ctx context.Context, workers int, read reading[P], work func(context.Context, P) error) error {
	if workers == 1 {
		return pages(ctx, read, func(page P) error { return work(ctx, page) })
	}
	group, ctx := errgroup.WithContext(ctx)
	queue := make(chan P)
	group.Go(func() error {
		defer close(queue)
		return pages(ctx, read, func(page P) error {
			select {
			case queue <- page:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	for range workers {
		group.Go(func() error {
			for page := range queue {
				if err := work(ctx, page); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func pages[P any](ctx context.Context, read reading[P], each func(P) error) error {
	for page, err := range eventstore.Pages(func(cursor string) (P, string, error) { return read(ctx, cursor) }) {
		if err == nil {
			err = each(page)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
