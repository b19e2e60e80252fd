package query

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/observe"
)

// Cache keeps whole lists that are short and read often. A list is read again when it is older than TTL, when
// readers were switched to another table version, and when an operator has raised the generation of its
// projection (Renew). It is safe for concurrent use.
type Cache struct {
	TTL  time.Duration
	Most int // lists; 0: 100. The oldest are dropped first.

	mu    sync.Mutex
	lists map[listKey]list
}

const mostLists = 100

type listKey struct{ projection, bucket string }

type list struct {
	rows       []Row
	table      projection.Table
	generation uint64
	read       time.Time // before it was read
}

// all returns all rows of a bucket, from memory if they are fresh. Callers must not change them.
func (c *Cache) all(ctx context.Context, s Queries, bucket string) ([]Row, error) {
	pointer, err := s.Pointers.Pointer(ctx, s.View.Projection)
	if errors.Is(err, projection.ErrNoPointer) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	active, _ := pointer.ActiveVersion()
	want, now := list{table: pointer.Table(active), generation: pointer.Generation}, s.Now()
	key := listKey{s.View.Projection, bucket}
	c.mu.Lock()
	kept, ok := c.lists[key]
	c.mu.Unlock()
	hit := ok && kept.table == want.table && kept.generation == want.generation && now.Sub(kept.read) < c.TTL
	observe.MetricsOf(ctx).ListRead(ctx, s.View.Projection, hit)
	if hit {
		return kept.rows, nil
	}
	want.read = now
	if want.rows, err = s.rows(ctx, bucket); err == nil {
		c.keep(key, want)
	}
	return want.rows, err
}

// keep keeps a list, and drops the oldest one if there are too many.
func (c *Cache) keep(key listKey, l list) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lists == nil {
		c.lists = map[listKey]list{}
	}
	c.lists[key] = l
	if len(c.lists) <= cmp.Or(c.Most, mostLists) {
		return
	}
	oldest := key
	for k, l := range c.lists {
		if l.read.Before(c.lists[oldest].read) {
			oldest = k
		}
	}
	delete(c.lists, oldest)
}

// Renew has every process read the lists of a projection again, as soon as it reads the pointer, and returns
// the new generation.
func Renew(ctx context.Context, pointers projection.Pointers, name string) (uint64, error) {
	p, err := projection.ChangePointer(ctx, pointers, name, func(p *projection.Pointer) (bool, error) {
		p.Generation++
		return true, nil
	})
	return p.Generation, err
}
