// Package repair is what an operator does about the rows of read models, while everything goes
// on: verify a table version against the event store, explain a row, list the streams that are
// set aside, heal streams. It knows ports only, so that it does the same on a data folder and
// on AWS. Rebuilding a whole read model is the business of package rebuild.
package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// ErrRefused says that what was asked for makes no sense: the text says why.
var ErrRefused = errors.New("refused")

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// ReadModels are the read models of one installation.
type ReadModels struct {
	Projections model.Projections   // every revision that a table version may have
	Pointers    projection.Pointers // read without a cache
	Tables      projection.Store
	Streams     verify.Streams
	Numbers     verify.Numberer // of events in the log; nil where they are not known
	Log         verify.Log      // nil where there is none
	Projector   *projection.Projector
	LagBound    time.Duration // by when live delivery has brought in an event, normally
	Now         func() time.Time
	// Check fails when rows must not be changed to fit the event store, since that may have lost
	// events; nil where nobody can tell.
	Check func(ctx context.Context) error
	// Misfit says why the events are not those that there were, "" when they are; nil where nobody can
	// tell.
	Misfit func(ctx context.Context) (string, error)
}

// checked fails when Check does.
func (m *ReadModels) checked(ctx context.Context) error {
	if m.Check == nil {
		return nil
	}
	return m.Check(ctx)
}

// Names are the projections, each once.
func (m *ReadModels) Names() []string { return m.Projections.Names() }

// pointer is the pointer of a projection that there is.
func (m *ReadModels) pointer(ctx context.Context, name string) (projection.Pointer, error) {
	if _, err := m.Projections.Named(name); err != nil {
		return projection.Pointer{}, refused("%v", err)
	}
	p, err := m.Pointers.Pointer(ctx, name)
	if errors.Is(err, projection.ErrNoPointer) {
		return p, refused("%s was never set up: its first event does that", name)
	}
	return p, err
}

// definition is the fold of a version, which this program may lack.
func (m *ReadModels) definition(name string, v projection.Version) (model.Projection, error) {
	d, ok := m.Projections.Revision(name, v.Revision)
	if !ok {
		return d, refused("%s was made by revision %d of the fold, which this program does not have", projection.Table{Projection: name, Version: v.Number}, v.Revision)
	}
	return d, nil
}

// eachLive calls f, which heals, with every version of a projection that live delivery writes, and
// its fold.
func (m *ReadModels) eachLive(ctx context.Context, name string, f func(model.Projection, projection.Table) error) error {
	p, err := m.pointer(ctx, name)
	if err == nil {
		err = m.checked(ctx)
	}
	if err != nil {
		return err
	}
	for _, v := range p.Versions {
		if !v.Live() {
			continue
		}
		d, err := m.definition(name, v)
		if err == nil {
			err = f(d, p.Table(v))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Live are the versions of a projection that live delivery writes.
func (m *ReadModels) Live(ctx context.Context, name string) ([]int, error) {
	p, err := m.pointer(ctx, name)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, v := range p.Versions {
		if v.Live() {
			numbers = append(numbers, v.Number)
		}
	}
	return numbers, nil
}

// Verified is the outcome of a verification.
type Verified struct {
	Sound   bool               `json:"sound"`
	Version projection.Version `json:"version"`
	verify.Report
	Misfit string `json:"misfit,omitempty"` // why the events are not to be believed, though the rows are as they say
}

// Verify compares a version of a projection with the event store; 0 is the active one.
func (m *ReadModels) Verify(ctx context.Context, name string, number int, o verify.Options) (Verified, error) {
	p, err := m.pointer(ctx, name)
	if err != nil {
		return Verified{}, err
	}
	if o.Fix {
		if err := m.checked(ctx); err != nil {
			return Verified{}, err
		}
	}
	v, err := choose(p, number)
	if err != nil {
		return Verified{}, err
	}
	d, err := m.definition(name, v)
	if err != nil {
		return Verified{}, err
	}
	report, err := m.verifier().Table(ctx, d, p.Table(v), o)
	if err != nil {
		return Verified{}, err
	}
	m.record(ctx, name, v.Number, &report)
	v.Verified = nil // what the one before has found is not part of this one
	verified := Verified{Sound: report.Sound(), Version: v, Report: report}
	if m.Misfit != nil {
		verified.Misfit, err = m.Misfit(ctx)
		verified.Sound = verified.Sound && verified.Misfit == ""
	}
	return verified, err
}

// record keeps the outcome with the version, for whoever rolls back to it or drops others for it.
// That a sample found nothing says nothing. Who may only read cannot record; the report is theirs
// all the same.
func (m *ReadModels) record(ctx context.Context, name string, number int, r *verify.Report) {
	if r.Sound() && 0 < r.Sample && r.Sample < 1 {
		return
	}
	outcome := &projection.Verified{At: event.InstantOf(m.Now()), Problems: r.Found() - r.Mended() + len(r.Totals)}
	for range maxRecordTries {
		p, err := m.Pointers.Pointer(ctx, name)
		at := slices.IndexFunc(p.Versions, func(v projection.Version) bool { return v.Number == number })
		if err == nil && at < 0 {
			return // dropped meanwhile
		}
		if err == nil {
			p.Versions[at].Verified = outcome
			err = m.Pointers.SetPointer(ctx, p)
		}
		if err == nil || !errors.Is(err, projection.ErrPointerChanged) {
			if err != nil {
				observe.Logger(ctx).Warn().Err(err).Str(observe.FieldProjection, name).Msg("verify:not-recorded")
			}
			return
		}
	}
}

// maxRecordTries bounds the tries to change a pointer that others change.
const maxRecordTries = 5

func (m *ReadModels) verifier() *verify.Verifier {
	return &verify.Verifier{Tables: m.Tables, Streams: m.Streams, Log: m.Log, Projector: m.Projector, LagBound: m.LagBound, Now: m.Now}
}

// choose is a version that live delivery writes.
func choose(p projection.Pointer, number int) (projection.Version, error) {
	for _, v := range p.Versions {
		switch {
		case number == 0 && v.State == projection.Active, number == v.Number && v.Live():
			return v, nil
		case number == v.Number:
			return v, refused("%s is %s: it is not kept up to date, so there is nothing to compare it with", p.Table(v), v.State)
		}
	}
	if number == 0 {
		return projection.Version{}, refused("%s has no active version", p.Projection)
	}
	return projection.Version{}, refused("%s has no version %d", p.Projection, number)
}

// Explain tells what is behind the row of a stream, which may be named by its order's id too.
func (m *ReadModels) Explain(ctx context.Context, name, key string) (verify.Explanation, error) {
	if _, err := m.pointer(ctx, name); err != nil {
		return verify.Explanation{}, err
	}
	x := &verify.Explainer{Projections: m.Projections, Pointers: m.Pointers, Tables: m.Tables, Streams: m.Streams, Numbers: m.Numbers, Now: m.Now}
	return x.Explain(ctx, name, key)
}
