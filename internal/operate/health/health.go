// Package health tells whether the parts that the system stands on are well, for load
// balancers, deployments and the operator on call. A part that hangs is a part that is not
// well, so every probe has a time limit and all run at once.
package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// Status is how a part, or the whole, is.
type Status string

// The whole is failing as soon as one part is.
const (
	OK      Status = "ok"
	Failing Status = "failing"
)

// DefaultTimeout bounds a probe whose Checker sets no other limit.
const DefaultTimeout = 2 * time.Second

// Probe looks at one part.
type Probe struct {
	Name string
	// Check looks and tells, for a person, what it saw. It must end when ctx does. An error
	// says that the part is not well; a *Problem also says it to the client, of any other
	// error only the log hears the text.
	Check func(ctx context.Context) (detail string, err error)
}

// Problem is a failing that may be told to anybody who may ask for the health.
type Problem struct {
	Detail  string
	Planned bool // somebody wants it so: nobody has to be told
}

func (p *Problem) Error() string { return p.Detail }

// Problemf makes a Problem.
func Problemf(format string, args ...any) error {
	return &Problem{Detail: fmt.Sprintf(format, args...)}
}

// Part is what a probe found.
type Part struct {
	Name       string  `json:"name"`
	Status     Status  `json:"status"`
	Detail     string  `json:"detail,omitempty"`
	DurationMs float64 `json:"durationMs,omitempty"`
	Planned    bool    `json:"-"` // it is failing because somebody wants it so
}

// Report is what all probes found, in the order of the probes.
type Report struct {
	Status Status `json:"status"`
	Parts  []Part `json:"parts"`
}

// Planned reports whether all that is failing is so because somebody wants it.
func (r Report) Planned() bool {
	return r.Status != OK && !slices.ContainsFunc(r.Parts, func(p Part) bool { return p.Status != OK && !p.Planned })
}

// Outline is the report without what tells of the inside.
func (r Report) Outline() Report {
	parts := make([]Part, len(r.Parts))
	for i, p := range r.Parts {
		parts[i] = Part{Name: p.Name, Status: p.Status}
	}
	return Report{r.Status, parts}
}

// Checker runs probes. It is safe for concurrent use.
type Checker struct {
	Probes  []Probe
	Timeout time.Duration // of each probe; 0 is DefaultTimeout
	Now     func() time.Time
}

// Check runs all probes at once and waits for each, no longer than the timeout. A probe that
// does not end in time is left behind; it ends with its context.
func (c *Checker) Check(ctx context.Context) Report {
	limit := c.Timeout
	if limit <= 0 {
		limit = DefaultTimeout
	}
	report := Report{Status: OK, Parts: make([]Part, len(c.Probes))}
	var running sync.WaitGroup
	for i, p := range c.Probes {
		running.Go(func() { report.Parts[i] = c.run(ctx, p, limit) })
	}
	running.Wait()
	for _, p := range report.Parts {
		if p.Status != OK {
			report.Status = Failing
		}
	}
	return report
}

// finding is what a probe returned.
type finding struct {
	detail string
	err    error
}

func (c *Checker) run(ctx context.Context, p Probe, limit time.Duration) Part {
	started := c.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found := make(chan finding, 1) // room for a probe that is no longer waited for
	go func() {
		defer func() {
			if r := recover(); r != nil {
				found <- finding{err: fmt.Errorf("the probe panicked: %v", r)}
			}
		}()
		detail, err := p.Check(ctx)
		found <- finding{detail, err}
	}()
	var f finding
	select {
	case f = <-found:
	case <-ctx.Done():
		f.err = ctx.Err()
	}
	if errors.Is(f.err, context.DeadlineExceeded) {
		f.err = fmt.Errorf("%w: %w", Problemf("no answer within %s", limit), f.err)
	}
	part := Part{Name: p.Name, Status: OK, Detail: f.detail, DurationMs: float64(c.Now().Sub(started).Microseconds()) / 1000}
	if f.err != nil {
		var told *Problem
		part.Status, part.Detail, part.Planned = Failing, publicDetail(f.err), errors.As(f.err, &told) && told.Planned
		part.log(ctx, f.err)
	}
	return part
}

func (p Part) log(ctx context.Context, err error) {
	if p.Planned {
		observe.Logger(ctx).Info().Str("part", p.Name).Str("detail", p.Detail).Msg("health:planned")
		return
	}
	observe.Logger(ctx).Error().Str("part", p.Name).Float64(observe.FieldDurationMs, p.DurationMs).Str(observe.FieldResult, observe.ResultNG).
		Str(observe.FieldErrorClass, string(fault.Infra)).Err(err).Msg("health:failing")
}
