package main

import (
	"context"
	"errors"

	"gakushoku/internal/app"
	"gakushoku/internal/repair"
	"gakushoku/internal/reproject"
)

// installation is what the commands on read models work with, wherever that is: a data folder,
// or a stack on AWS.
type installation interface {
	ReadModels() *repair.ReadModels
	Status(ctx context.Context) (app.Status, error)
	Versions(ctx context.Context) (app.Status, error)
	Rebuild(ctx context.Context, request reproject.Request, o app.RebuildOptions) (reproject.Run, error)
	ResumeRebuild(ctx context.Context, name, runID string, o app.RebuildOptions) (reproject.Run, error)
	Approval(ctx context.Context, name string) (reproject.Approval, error)
	Decide(ctx context.Context, name, runID string, d reproject.Decision) error
	Rollback(ctx context.Context, name string) (int, error)
	CleanUp(ctx context.Context, name string) ([]int, error)
}

// withInstallation opens the installation for f. What makes no sense there counts as a mistake
// in what was typed.
func (p *program) withInstallation(f func(installation) error) error {
	err := p.withFolder(false, func(folder *app.Folder) error { return f(folder) })
	if errors.Is(err, repair.ErrRefused) {
		return usagef("%v", err)
	}
	return err
}

// withReadModels opens the read models for f.
func (p *program) withReadModels(f func(*repair.ReadModels) error) error {
	return p.withInstallation(func(i installation) error { return f(i.ReadModels()) })
}
