package main

import (
	"errors"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/app/stack"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
)

// awsFlag is an option of every command that also works on a stack.
type awsFlag struct {
	AWS string `help:"Work on this CloudFormation stack instead of a data folder; credentials and region are found where AWS's own tools find them." name:"aws" env:"GAKUSHOKU_AWS_STACK" placeholder:"STACK"`
}

// withInstallation opens a data folder or a stack for f. If the installation refuses a request as senseless,
// that is a usage error.
func (p *program) withInstallation(on awsFlag, f func(*operator.Installation) error) error {
	return p.withPartly(on, embedded.AllParts, f)
}

// withPartly is withInstallation for commands that need only some stores of a data folder.
func (p *program) withPartly(on awsFlag, needed embedded.Parts, f func(*operator.Installation) error) error {
	err := p.open(on, needed, f)
	if errors.Is(err, verify.ErrRefused) || errors.Is(err, rebuild.ErrBadRequest) {
		return usagef("%v", err)
	}
	return err
}

func (p *program) open(on awsFlag, needed embedded.Parts, f func(*operator.Installation) error) error {
	if on.AWS == "" {
		return p.withParts(needed, func(folder *embedded.Folder) error { return f(folder.Installation) })
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
	return p.withInstallation(on, func(i *operator.Installation) error { return f(i.Models) })
}
