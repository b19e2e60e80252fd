package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// ErrRefused means that a request cannot be carried out as it stands; the text says why.
var ErrRefused = errors.New("refused")

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// ReadModels are one installation's read models, for the operator's work while events keep coming: verify a
// table version, explain a row, list parked streams, heal streams. Package rebuild rebuilds whole read
// models.
type ReadModels struct {
	Verifier
	Projections model.Projections   // every revision that a table version may have
	Pointers    projection.Pointers // uncached
	Numbers     Numberer            // of events in the log; nil if unknown
	// Check fails if the event store may have lost events, so that rows must not be changed to match it; nil
	// where that cannot be checked.
	Check func(ctx context.Context) error
	// Misfit returns why the events are not those that the rows were made from, or "" if they are; nil where
	// that cannot be checked.
	Misfit func(ctx context.Context) (string, error)
}

// checked fails when Check does.
func (m *ReadModels) checked(ctx context.Context) error {
	if m.Check == nil {
		return nil
	}
	return m.Check(ctx)
}

// Names returns the name of each projection once.
func (m *ReadModels) Names() []string { return m.Projections.Names() }

// pointer returns the pointer of a known projection.
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

// definition returns the fold of a version. It refuses one whose revision this program lacks.
func (m *ReadModels) definition(name string, v projection.Version) (model.Projection, error) {
	d, ok := m.Projections.Revision(name, v.Revision)
	if !ok {
		return d, refused("%s was made by revision %d of the fold, which this program does not have", projection.Table{Projection: name, Version: v.Number}, v.Revision)
	}
	return d, nil
}

// live returns the pointer of a projection, with only those versions that live delivery writes.
func (m *ReadModels) live(ctx context.Context, name string) (projection.Pointer, error) {
	p, err := m.pointer(ctx, name)
	p.Versions = slices.DeleteFunc(slices.Clone(p.Versions), func(v projection.Version) bool { return !v.Live() })
	return p, err
}

// healEachLive calls heal with every version of a projection that live delivery writes, and its fold.
func (m *ReadModels) healEachLive(ctx context.Context, name string, heal func(model.Projection, projection.Table) error) error {
	p, err := m.live(ctx, name)
	if err == nil {
		err = m.checked(ctx)
	}
	if err != nil {
		return err
	}
	for _, v := range p.Versions {
		d, err := m.definition(name, v)
		if err == nil {
			err = heal(d, p.Table(v))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Live returns the numbers of the versions that live delivery writes.
func (m *ReadModels) Live(ctx context.Context, name string) ([]int, error) {
	p, err := m.live(ctx, name)
	var numbers []int
	for _, v := range p.Versions {
		numbers = append(numbers, v.Number)
	}
	return numbers, err
}

// Verified is the outcome of a verification.
type Verified struct {
	Sound   bool               `json:"sound"`
	Version projection.Version `json:"version"`
	Report
	Misfit string `json:"misfit,omitempty"` // why the events are suspect, even where the rows match them
}

// Verify compares a version of a projection with the event store; 0 is the active one.
func (m *ReadModels) Verify(ctx context.Context, name string, number int, o Options) (Verified, error) {
	p, err := m.pointer(ctx, name)
	if err == nil && o.Fix {
		err = m.checked(ctx)
	}
	if err != nil {
		return Verified{}, err
	}
	v, err := choose(p, number)
	if err != nil {
		return Verified{}, err
	}
	d, err := m.definition(name, v)
	if err != nil {
		return Verified{}, err
	}
	report, err := m.Table(ctx, d, p.Table(v), o)
	if err != nil {
		return Verified{}, err
	}
	m.record(ctx, name, v.Number, &report)
	v.Verified = nil // the previous verification is not part of this report
	verified := Verified{Sound: report.Sound(), Version: v, Report: report}
	if m.Misfit != nil {
		verified.Misfit, err = m.Misfit(ctx)
		verified.Sound = verified.Sound && verified.Misfit == ""
	}
	return verified, err
}

// record stores the outcome with the version, for a later rollback to it or cleanup of others. A sound
// sample proves nothing, so it is not stored. An operator who may only read cannot store the outcome,
// but still gets the report.
func (m *ReadModels) record(ctx context.Context, name string, number int, r *Report) {
	if r.Sound() && 0 < r.Sample && r.Sample < 1 {
		return
	}
	outcome := &projection.Verified{At: event.InstantOf(m.Now()), Problems: r.Found() - r.Mended() + len(r.Totals)}
	_, err := projection.ChangePointer(ctx, m.Pointers, name, func(p *projection.Pointer) (bool, error) {
		at := slices.IndexFunc(p.Versions, func(v projection.Version) bool { return v.Number == number })
		if at < 0 {
			return false, nil // dropped meanwhile
		}
		p.Versions[at].Verified = outcome
		return true, nil
	})
	if err != nil {
		observe.Logger(ctx).Warn().Err(err).Str(observe.FieldProjection, name).Msg("verify:not-recorded")
	}
}

// choose returns the version to verify, which must be one that live delivery writes.
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
