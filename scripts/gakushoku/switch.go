package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/fault/wait"
)

type rollbackCommand struct {
	Name  string `arg:"" predictor:"projection" help:"The projection, such as orders."`
	Force bool   `help:"Go back even to a version that lacks rows, or that the last verification found wrong."`
	awsFlag
}

func (rollbackCommand) Help() string {
	return `Both versions are written all the time, so nothing is lost. Doing it again goes forward again. Refused when the version before lacks rows or events that readers see now, as after an import and a rebuild without a server, or was found wrong by its last verification.

Example:

    gakushoku projection rollback orders`
}

func (c *rollbackCommand) Run(p *program) error {
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		back, err := i.Rollback(p.ctx, c.Name, c.Force)
		if err != nil {
			return err
		}
		for _, doubt := range back.Doubts {
			fmt.Fprintf(p.stderr, "warning: %s\n", doubt)
		}
		return p.printf("readers see %s-v%d\n", c.Name, back.Version)
	})
}

type cleanupCommand struct {
	Name  string `arg:"" predictor:"projection" help:"The projection, such as orders."`
	Force bool   `help:"Drop them even when the version that readers see was found wrong by its last verification."`
	awsFlag
}

func (cleanupCommand) Help() string {
	return `Drops the previous versions, to which one could roll back, and those that show a past moment. A version that is being built stays. A rebuild that soaks ends then: it has nothing more to wait for. It waits until no reader can see them any more: a second, and ten on AWS unless the stack was deployed with another PointerTtl.

Example:

    gakushoku projection cleanup orders`
}

func (c *cleanupCommand) Run(p *program) error {
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		numbers, err := i.CleanUp(p.ctx, c.Name, c.Force)
		if asked, none := i.Approval(p.ctx, c.Name); none == nil {
			fmt.Fprintf(p.stderr, "A rebuild of %s (run %s) waits for approval: gakushoku projection approve %s\n", c.Name, asked.Run.ID, c.Name)
		}
		if err != nil {
			return err
		}
		if len(numbers) == 0 {
			return p.printf("%s has nothing to drop\n", c.Name)
		}
		return p.printf("dropped %s\n", versionNames(c.Name, numbers))
	})
}

func versionNames(name string, numbers []int) string {
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = fmt.Sprintf("%s-v%d", name, n)
	}
	return strings.Join(names, ", ")
}

type approveCommand struct {
	Name   string `arg:"" predictor:"projection" help:"The projection, such as orders."`
	Show   bool   `help:"Only show what waits." xor:"answer"`
	Wait   bool   `help:"Wait until the rebuild has come to its question; it ends at once when there will be none."`
	Reject string `help:"Say no, for this reason: the new version is dropped." placeholder:"REASON" xor:"answer"`
	By     string `help:"Who decides. Default: ${default}." default:"operator" env:"USER" placeholder:"NAME"`
	JSON   bool   `help:"Print what waits as JSON." name:"json"`
	awsFlag
}

func (approveCommand) Help() string {
	return `A rebuild that was started with --approve waits, verified, before readers are switched.

Ends with 3 when there is a rebuild that will wait, but does not yet; with 1 when none will: none is going on, or it was started without --approve, or was cut off.

Examples:

    gakushoku projection approve orders --show
    gakushoku projection approve orders --show --wait
    gakushoku projection approve orders
    gakushoku projection approve orders --reject "prices are gone"`
}

func (c *approveCommand) Run(p *program) error {
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		asked, err := c.question(p, i)
		if err != nil {
			return err
		}
		err = p.present(c.JSON, asked, func() { p.showVerification(&asked.Run) })
		if err != nil || c.Show {
			return err
		}
		decision := rebuild.Decision{Approved: c.Reject == "", By: c.By, Reason: c.Reject}
		if err := i.Decide(p.ctx, asked, decision); err != nil {
			return err
		}
		answer := "approved"
		if !decision.Approved {
			answer = "rejected"
		}
		if c.JSON {
			return nil
		}
		return p.printf("run %s is %s\n", asked.Run.ID, answer)
	})
}

// How --wait polls. A rebuild that was just started may not be visible yet.
const (
	questionPoll = time.Second
	startGrace   = 5 * time.Second
)

func (c *approveCommand) question(p *program, i *operator.Installation) (rebuild.Approval, error) {
	for began := time.Now(); ; {
		asked, err := i.Approval(p.ctx, c.Name)
		comes := errors.Is(err, rebuild.ErrNotYet) || errors.Is(err, rebuild.ErrNoRun) && time.Since(began) < startGrace
		if !c.Wait || !comes {
			return asked, err
		}
		if err := wait.For(p.ctx, questionPoll); err != nil {
			return asked, err
		}
	}
}

type abandonCommand struct {
	Name string `arg:"" predictor:"projection" help:"The projection, such as orders."`
	awsFlag
}

func (abandonCommand) Help() string {
	return `Ends a rebuild that is going on, or was cut off, before its switch, and takes its table version away. The live version is not touched. One that was cut off after its switch is over then: readers stay on its version, and the one before is kept. On AWS the execution is stopped; a rebuild of a data folder that is still going on is stopped by Ctrl-C where it runs.

Example:

    gakushoku projection abandon orders`
}

func (c *abandonCommand) Run(p *program) error {
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		runs, err := i.Abandon(p.ctx, c.Name)
		if err != nil {
			return err
		}
		if len(runs) == 0 {
			return p.printf("no run of %s is going on, and none was cut off\n", c.Name)
		}
		for k := range runs {
			p.printf("%s\n", abandonedLine(&runs[k]))
		}
		return nil
	})
}

func abandonedLine(run *rebuild.Run) string {
	if len(run.Dropped) > 0 {
		return fmt.Sprintf("run %s is abandoned, %s is dropped", run.ID, versionNames(run.Projection, run.Dropped))
	}
	return fmt.Sprintf("run %s is abandoned after its switch: nothing is dropped; \"projection cleanup %s\" drops the version that readers are not on, \"projection rollback %s\" takes them to it", run.ID, run.Projection, run.Projection)
}
