package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// The names of the probes. People and alarms search for them.
const (
	PartEventStore    = "eventStore"
	PartReadModel     = "readModel"
	PartProjectionLag = "projectionLag"
	PartLogLag        = "logLag"
	PartDisk          = "disk"
	PartParked        = "parked"
	PartServing       = "serving"
	PartAuditChain    = "auditChain"
	PartReplication   = "replication"
	PartBackup        = "backup"
	PartRestore       = "restore" // as last rehearsed
)

// probeStream is a stream that never has events: no aggregate's name begins so.
const probeStream = "probe"

// publicDetail returns what a client may see of err.
func publicDetail(err error) string {
	var told *Problem
	if errors.As(err, &told) {
		return told.Detail
	}
	return "it cannot be reached or does not work: see the log"
}

// Streams is the part of the event store that its probe calls.
type Streams interface {
	Load(ctx context.Context, stream string, after uint64) ([]event.Event, error)
}

// EventStore reads a stream that does not exist, which checks connection and permissions.
func EventStore(streams Streams) Probe {
	return Probe{Name: PartEventStore, Check: func(ctx context.Context) (string, error) {
		_, err := streams.Load(ctx, probeStream, 0)
		return "", err
	}}
}

// ReadModel does what a query does: it reads the pointers of projections and the active versions' tables. A
// projection that was never set up passes, since its first event sets it up.
func ReadModel(pointers projection.Pointers, browser projection.Browser, names ...string) Probe {
	return Probe{Name: PartReadModel, Check: func(ctx context.Context) (string, error) {
		details := make([]string, len(names))
		for i, name := range names {
			var err error
			if details[i], err = readModel(ctx, pointers, browser, name); err != nil {
				return "", err
			}
		}
		return strings.Join(details, "; "), nil
	}}
}

func readModel(ctx context.Context, pointers projection.Pointers, browser projection.Browser, name string) (string, error) {
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
}

// Lag is the delay of a projector or an archiver.
type Lag struct {
	Behind time.Duration // age of the oldest event that is still missing; 0 if none is
	Detail string        // for people; may be empty
}

// ProjectionLag fails if events are applied later than limit.
func ProjectionLag(limit time.Duration, lag func(context.Context) (Lag, error)) Probe {
	return lagProbe(PartProjectionLag, "events are applied %s late, %s is the limit", limit, lag)
}

// LogLag fails if events reach the log later than limit.
func LogLag(limit time.Duration, lag func(context.Context) (Lag, error)) Probe {
	return lagProbe(PartLogLag, "events come into the log %s late, %s is the limit", limit, lag)
}

// Replication fails if copies of the log are further behind than limit.
func Replication(limit time.Duration, lag func(context.Context) (Lag, error)) Probe {
	return lagProbe(PartReplication, "replication is %s behind, %s is the limit", limit, lag)
}

func lagProbe(part, late string, limit time.Duration, lag func(context.Context) (Lag, error)) Probe {
	return Probe{Name: part, Check: func(ctx context.Context) (string, error) {
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

// maxParked is the maximum that is counted.
const maxParked = 1000

// Parked counts the streams that are parked in the active versions of projections, and records the numbers as
// metrics. It does not fail because of them, since the service is available: the alarm on the metric
// notifies on-call staff.
func Parked(pointers projection.Pointers, tables projection.Inspector, names ...string) Probe {
	return Probe{Name: PartParked, Check: func(ctx context.Context) (string, error) {
		var found []string
		for _, name := range names {
			n, err := CountParked(ctx, pointers, tables, name)
			if err != nil {
				return "", err
			}
			observe.MetricsOf(ctx).Parked(ctx, name, n)
			if n > 0 {
				found = append(found, fmt.Sprintf("%s: %d streams, see gakushoku projection park list %s", name, n, name))
			}
		}
		if len(found) == 0 {
			return "no stream is parked", nil
		}
		return strings.Join(found, "; "), nil
	}}
}

// CountParked returns how many streams are parked in the active version of a projection, at most maxParked.
func CountParked(ctx context.Context, pointers projection.Pointers, tables projection.Inspector, name string) (n int, err error) {
	p, err := pointers.Pointer(ctx, name)
	if errors.Is(err, projection.ErrNoPointer) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	v, ok := p.ActiveVersion()
	for cursor := ""; ok && n < maxParked; {
		var records []projection.Record
		records, cursor, err = tables.ParkedRecords(ctx, p.Table(v), cursor, maxParked-n)
		if errors.Is(err, projection.ErrNoTable) {
			return 0, nil // the probe readModel reports it
		}
		if err != nil {
			return n, err
		}
		n += len(records)
		ok = cursor != ""
	}
	return n, nil
}

// AuditReader is the name of the checkpoint in which a round that signs the log notes its outcome.
const AuditReader = "audit"

// AuditChain shows whether the log is the one that was signed, as the last round found. It
// does not fail because of that, since the service is available: the alarm on the metric notifies on-call
// staff. keys returns subject.ErrLost if the keys of subjects were lost; it may be nil.
func AuditChain(checkpoints projection.Checkpoints, keys func(context.Context) error) Probe {
	return Probe{Name: PartAuditChain, Check: func(ctx context.Context) (string, error) {
		if keys != nil {
			switch err := keys(ctx); {
			case errors.Is(err, subject.ErrLost):
				observe.MetricsOf(ctx).AuditBroken(ctx, true)
				return subject.ErrLost.Error() + ": see infra/runbooks/audit-broken.md", nil
			case err != nil:
				return "", err
			}
		}
		c, err := checkpoints.Checkpoint(ctx, AuditReader)
		switch {
		case err != nil:
			return "", err
		case c.AppliedAt.IsZero() && c.Events == 0:
			return "nothing has been signed yet", nil
		case c.Cursor != "":
			return fmt.Sprintf("%s; found at %s: see infra/runbooks/audit-broken.md", c.Cursor, c.AppliedAt), nil
		}
		return fmt.Sprintf("signed up to event %d at %s, looked at again at %s", c.Events, c.OccurredAt, c.AppliedAt), nil
	}}
}

// Kept shows when something that is done by the clock was last done well, such as a backup. It does not fail when
// that is too long ago, since the service is available: an alarm notifies on-call staff.
func Kept(part string, checkpoints projection.Checkpoints) Probe {
	return Probe{Name: part, Check: func(ctx context.Context) (string, error) {
		c, err := checkpoints.Checkpoint(ctx, part)
		switch {
		case err != nil:
			return "", err
		case c.AppliedAt.IsZero() && c.Cursor == "":
			return "none yet", nil
		case c.AppliedAt.IsZero():
			return "none yet: " + c.Cursor, nil
		case c.Cursor != "":
			return fmt.Sprintf("the last one is of %s, up to event %d; since then: %s", c.AppliedAt, c.Events, c.Cursor), nil
		}
		return fmt.Sprintf("the last one is of %s, up to event %d", c.AppliedAt, c.Events), nil
	}}
}

// Disk fails if fewer than minFree bytes are free.
func Disk(minFree uint64, free func() (uint64, error)) Probe {
	return Probe{Name: PartDisk, Check: func(context.Context) (string, error) {
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

// Serving fails once the server is about to stop, while it still responds, so that load balancers send
// requests elsewhere.
func Serving(stopping func() bool) Probe {
	return Probe{Name: PartServing, Check: func(context.Context) (string, error) {
		if stopping() {
			return "", &Problem{Detail: "the server is stopping", Planned: true}
		}
		return "requests are taken", nil
	}}
}
