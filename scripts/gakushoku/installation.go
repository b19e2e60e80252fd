package main

import (
	"context"
	"errors"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/stack"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/observe/spans"
	"gakushoku/internal/operate/timeline"
)

// installation is what the commands on read models work with, wherever that is: a data folder,
// or a stack on AWS.
type installation interface {
	ReadModels() *verify.ReadModels
	ArchiveLog() *logcheck.Log
	// EachEvent reads the whole log, in its order; the event is f's until f returns.
	EachEvent(ctx context.Context, f func(*event.Event) error) error
	// Timelines finds operations; a zero since leaves it to the installation how far back.
	Timelines(limit int, since time.Time) *timeline.Finder
	Slowest(ctx context.Context, since time.Time, limit int) ([]spans.Operation, spans.Source, error)
	TraceURL() string
	// Status counts rows, which Versions does not.
	Status(ctx context.Context) (embedded.Status, error)
	Versions(ctx context.Context) (embedded.Status, error)
	Rebuild(ctx context.Context, request rebuild.Request, o embedded.RebuildOptions) (rebuild.Run, error)
	ResumeRebuild(ctx context.Context, name, runID string, o embedded.RebuildOptions) (rebuild.Run, error)
	History(ctx context.Context, name string, limit int) ([]rebuild.Past, error)
	// Abandon ends the runs of a projection and takes their versions away.
	Abandon(ctx context.Context, name string) ([]rebuild.Run, error)
	Approval(ctx context.Context, name string) (rebuild.Approval, error)
	Decide(ctx context.Context, a rebuild.Approval, d rebuild.Decision) error
	Rollback(ctx context.Context, name string, force bool) (rebuild.RolledBack, error)
	CleanUp(ctx context.Context, name string, force bool) ([]int, error)
}

var (
	_ installation = (*embedded.Folder)(nil)
	_ installation = (*stack.Stack)(nil)
)

// awsFlag is on every command that works on a stack too.
type awsFlag struct {
	AWS string `help:"Work on this CloudFormation stack instead of a data folder; credentials and region are found where AWS's own tools find them." name:"aws" env:"GAKUSHOKU_AWS_STACK" placeholder:"STACK"`
}

// withInstallation opens the installation for f. What makes no sense there counts as a mistake
// in what was typed.
func (p *program) withInstallation(on awsFlag, f func(installation) error) error {
	return p.withPartly(on, embedded.AllParts, f)
}

// withPartly is withInstallation for whoever needs only some parts of a data folder.
func (p *program) withPartly(on awsFlag, needed embedded.Parts, f func(installation) error) error {
	err := p.open(on, needed, f)
	if errors.Is(err, verify.ErrRefused) || errors.Is(err, rebuild.ErrBadRequest) {
		return usagef("%v", err)
	}
	return err
}

func (p *program) open(on awsFlag, needed embedded.Parts, f func(installation) error) error {
	if on.AWS == "" {
		return p.withParts(needed, func(folder *embedded.Folder) error { return f(folder) })
	}
	if p.dataGiven {
		return usagef("--data and --aws: choose one")
	}
	s, err := stack.Open(p.ctx, on.AWS)
	if err != nil {
		return err
	}
	return f(s)
}

// withReadModels opens the read models for f.
func (p *program) withReadModels(on awsFlag, f func(*verify.ReadModels) error) error {
	return p.withInstallation(on, func(i installation) error { return f(i.ReadModels()) })
}
