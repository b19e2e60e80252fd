package simulation

import (
	"context"
	"errors"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
)

// seen is the place as a site sees it.
func (w *replicas) seen(s *replicaSite) eventlog.Blobs {
	var place eventlog.Blobs = w.place
	if w.mutation.Place != nil {
		place = w.mutation.Place(place)
	}
	return &farPlace{Blobs: place, site: s}
}

// meanwhile lets other things happen.
func (w *replicas) meanwhile() {
	if w.depth >= replicaDepth {
		return
	}
	w.depth++
	for w.broken == "" && w.random.IntN(3) == 0 {
		w.act()
	}
	w.depth--
}

var errLink = fault.Unavailable(errors.New("the link is cut"))

// farPlace is a place behind a link.
type farPlace struct {
	eventlog.Blobs
	site *replicaSite
}

// call carries a call over the link.
func (p *farPlace) call(writes bool, do func() error) error {
	w := p.site.w
	w.meanwhile()
	if p.site.cut {
		return errLink
	}
	var err error
	switch n := w.random.IntN(40); {
	case writes && n == 0:
		w.late = append(w.late, func() { do() }) //nolint:errcheck // the caller is gone
		return errLink
	case n == 1:
		return errLink
	case n == 2:
		do() //nolint:errcheck // the response is lost
		err = errLink
	default:
		err = do()
	}
	if w.depth < replicaDepth {
		slowest := 3000 // milliseconds under way
		if w.random.IntN(6) == 0 {
			slowest = 90_000
		}
		w.meanwhile()
		w.now = w.now.Add(time.Duration(w.random.IntN(slowest)) * time.Millisecond)
	}
	w.meanwhile()
	return err
}

func (p *farPlace) Get(ctx context.Context, key string) (data []byte, err error) {
	err = p.call(false, func() (err error) { data, err = p.Blobs.Get(ctx, key); return err })
	return data, err
}

func (p *farPlace) List(ctx context.Context, prefix, after string, limit int) (found []eventlog.Blob, err error) {
	err = p.call(false, func() (err error) { found, err = p.Blobs.List(ctx, prefix, after, limit); return err })
	return found, err
}

func (p *farPlace) Put(ctx context.Context, key string, data []byte) error {
	return p.call(true, func() error { return p.Blobs.Put(ctx, key, data) })
}

func (p *farPlace) Create(ctx context.Context, key string, data []byte) error {
	return p.call(true, func() error { return p.Blobs.Create(ctx, key, data) })
}
