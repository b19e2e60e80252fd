// Package health checks the parts that the system depends on, for load balancers, deployments and on-call
// operators. A part that hangs is failing, so every probe has a time limit, and all run concurrently.
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

// Status is the status of a part or of the whole.
type Status string

// The whole is failing if one part is that is no dependency.
const (
	OK      Status = "ok"
	Failing Status = "failing"
)

// DefaultTimeout is the default time limit of a probe.
const DefaultTimeout = 2 * time.Second

// Probe checks one part.
type Probe struct {
	Name string
	// Check returns what it found, for people. It must return when ctx ends. An error means that the part
	// is failing. Clients see the text of a *Problem; that of other errors is only logged.
	Check func(ctx context.Context) (detail string, err error)
	// Dependency says that it is outside of the system, which works without it: that it fails is reported only.
	Dependency bool
}

// Problem is a failure whose text clients may see.
type Problem struct {
	Detail  string
	Planned bool // intended: no alarm is needed
}

func (p *Problem) Error() string { return p.Detail }

// Problemf returns a Problem.
func Problemf(format string, args ...any) error {
	return &Problem{Detail: fmt.Sprintf(format, args...)}
}

// Part is what a probe found.
type Part struct {
	Name       string  `json:"name"`
	Status     Status  `json:"status"`
	Detail     string  `json:"detail,omitempty"`
	DurationMs float64 `json:"durationMs,omitempty"`
	Planned    bool    `json:"-"` // failing as intended
	Dependency bool    `json:"-"` // outside of the system
}

// Report holds the findings of all probes, in their order.
type Report struct {
	Status Status `json:"status"`
	Parts  []Part `json:"parts"`
}

// Planned reports whether every failing part is failing as intended.
func (r Report) Planned() bool {
	return r.Status != OK && !slices.ContainsFunc(r.Parts, func(p Part) bool { return p.Status != OK && !p.Planned && !p.Dependency })
}

// Outline returns the report without internal details.
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

// Check runs all probes concurrently and waits for each until the timeout. A probe that does not end in time
// is abandoned; it ends with its context.
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
		if p.Status != OK && !p.Dependency {
			report.Status = Failing
		}
	}
	return report
}

// finding is the result of a probe.
type finding struct {
	detail string
	err    error
}

func (c *Checker) run(ctx context.Context, p Probe, limit time.Duration) Part {
	started := c.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found := make(chan finding, 1) // buffered, so that an abandoned probe can end
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
	part := Part{Name: p.Name, Status: OK, Detail: f.detail, Dependency: p.Dependency, DurationMs: float64(c.Now().Sub(started).Microseconds()) / 1000}
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
	line := observe.Logger(ctx).Error()
	if p.Dependency {
		line = observe.Logger(ctx).Warn()
	}
	line.Str("part", p.Name).Float64(observe.FieldDurationMs, p.DurationMs).Str(observe.FieldResult, observe.ResultNG).
		Str(observe.FieldErrorClass, string(fault.Infra)).Err(err).Msg("health:failing")
}
