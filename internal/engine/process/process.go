// Package process carries out what the rows of a process say has to be done next (infra/DESIGN.md section
// 13). A worker takes a row that is due, folds its stream from the event store, carries out the step that the
// fold waits for, and has the outcome recorded on the stream, whose event moves the row on.
//
// Rows may be stale, workers may be several, slow, or dead between any two steps. That is harmless since the
// fold decides and not the row, since each step has one id however often it is tried, and since its outcome
// is recorded after the call and never before.
package process

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

// Performer carries out the steps of one process.
type Performer interface {
	// Perform carries out a step and then records its outcome as a command on the call's stream, with the
	// call's ID as the command's id. A refusal is an outcome too. An error means that the step is to be tried
	// again later. Perform may be called again for a step that it carried out, even at the same time. It returns
	// the events that it appended right after those of the call; nil has the worker load what is new.
	Perform(ctx context.Context, c Call) ([]event.Event, error)
}

// Call is one attempt at a step.
type Call struct {
	ID      string // the same for all attempts at the step; the idempotency key of all that it calls
	Process string
	Stream  string
	Step    string
	Undo    bool      // the step undoes what an earlier one may have done
	Version uint64    // of the stream's last event in Row
	Attempt int       // from 1, as far as it is known
	Row     model.Row // folded from the event store; not to be changed

	History []event.Event // of the stream, up to Version; not to be changed
}

// callID returns the id of a step. It is derived from what the step is and from nothing else, so that all
// workers use the same.
func callID(process, stream string, version uint64, step string) string {
	sum := sha256.New()
	for _, part := range []string{process, stream, strconv.FormatUint(version, 10), step} {
		fmt.Fprintf(sum, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// Ports are what workers and operators of one process use.
type Ports struct {
	Revisions []model.Process // of one process: every one that a table version may have
	Pointers  *projection.CachedPointers
	Tables    projection.Agenda
	Streams   eventstore.Loader
	Now       func() time.Time
}

// Name returns the name of the process.
func (p *Ports) Name() string { return p.Revisions[0].Name }

// newest returns the newest revision.
func (p *Ports) newest() model.Process {
	return slices.MaxFunc(p.Revisions, func(a, b model.Process) int { return cmp.Compare(a.Revision, b.Revision) })
}

// active returns the table whose rows are carried out, and the revision of its fold. Rows of other versions
// never are, so that a rebuild carries out nothing.
func (p *Ports) active(ctx context.Context) (projection.Table, model.Process, error) {
	pointer, err := p.Pointers.Pointer(ctx, p.Name())
	if err != nil {
		return projection.Table{}, model.Process{}, fmt.Errorf("reading the pointer of %s: %w", p.Name(), err)
	}
	version, ok := pointer.ActiveVersion()
	if !ok {
		return projection.Table{}, model.Process{}, fault.Unavailable(fmt.Errorf("%s has no active version: rebuild it", p.Name()))
	}
	for _, d := range p.Revisions {
		if d.Revision == version.Revision {
			return pointer.Table(version), d, nil
		}
	}
	return projection.Table{}, model.Process{}, fault.Unavailable(
		fmt.Errorf("%s is filled by revision %d, which this program does not have: use a newer one", pointer.Table(version), version.Revision))
}
