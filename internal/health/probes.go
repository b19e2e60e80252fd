package health

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
)

// The names of the probes: people and alarms look for them.
const (
	PartEventStore    = "eventStore"
	PartReadModel     = "readModel"
	PartProjectionLag = "projectionLag"
	PartLogLag        = "logLag"
	PartDisk          = "disk"
)

// probeStream is a stream that no order can have, since it has no id.
const probeStream = event.OrderStreamPrefix

// publicDetail is what a client may hear about err.
func publicDetail(err error) string {
	var told *Problem
	if errors.As(err, &told) {
		return told.Detail
	}
	return "it cannot be reached or does not work: see the log"
}

// Streams is what the probe of the event store calls.
type Streams interface {
	Load(ctx context.Context, stream string, after uint64) ([]event.Event, error)
}

// EventStore reads a stream that does not exist: the way to the store and its permissions.
func EventStore(streams Streams) Probe {
	return Probe{PartEventStore, func(ctx context.Context) (string, error) {
		_, err := streams.Load(ctx, probeStream, 0)
		return "", err
	}}
}

// ReadModel goes the way of a query: the pointer of a projection, and the active version's
// table. A projection that was never set up is well, since its first event sets it up.
func ReadModel(pointers projection.Pointers, browser projection.Browser, name string) Probe {
	return Probe{PartReadModel, func(ctx context.Context) (string, error) {
		p, err := pointers.Pointer(ctx, name)
		if errors.Is(err, projection.ErrNoPointer) {
			return name + " waits for its first event", nil
		}
		if err != nil {
			return "", err
		}
		v, ok := p.ActiveVersion()
		if !ok {
			return "", Problemf("%s has no active version", name)
		}
		_, err = browser.Record(ctx, p.Table(v), probeStream)
		switch {
		case errors.Is(err, projection.ErrNoTable):
			return "", Problemf("the table of %s is missing: rebuild the projection", p.Table(v))
		case err != nil && !errors.Is(err, projection.ErrNoRecord):
			return "", err
		}
		return p.Table(v).String() + " is active", nil
	}}
}

// Lag is how far a projector, or an archiver, is behind the event store.
type Lag struct {
	Behind time.Duration // how old the oldest event is that did not arrive; 0 when there is none
	Detail string        // for a person; may be empty
}

// ProjectionLag fails when lag tells that events are applied later than limit.
func ProjectionLag(limit time.Duration, lag func(context.Context) (Lag, error)) Probe {
	return lagProbe(PartProjectionLag, "events are applied %s late, %s is the limit", limit, lag)
}

// LogLag fails when lag tells that events come into the log later than limit.
func LogLag(limit time.Duration, lag func(context.Context) (Lag, error)) Probe {
	return lagProbe(PartLogLag, "events come into the log %s late, %s is the limit", limit, lag)
}

func lagProbe(part, late string, limit time.Duration, lag func(context.Context) (Lag, error)) Probe {
	return Probe{part, func(ctx context.Context) (string, error) {
		l, err := lag(ctx)
		if err != nil {
			return "", err
		}
		if l.Behind > limit {
			return "", Problemf(late, l.Behind.Round(time.Millisecond), limit)
		}
		if l.Detail != "" {
			return l.Detail, nil
		}
		return fmt.Sprintf("%s behind", l.Behind.Round(time.Millisecond)), nil
	}}
}

// Disk fails when less than minFree bytes are free; free tells how many there are.
func Disk(minFree uint64, free func() (uint64, error)) Probe {
	return Probe{PartDisk, func(context.Context) (string, error) {
		n, err := free()
		if err != nil {
			return "", err
		}
		if n < minFree {
			return "", Problemf("%d MiB are free, at least %d are needed: make room or move the data", n>>20, minFree>>20)
		}
		return fmt.Sprintf("%d MiB are free", n>>20), nil
	}}
}
