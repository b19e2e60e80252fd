package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/wait"
)

type listCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
	awsFlag
}

func (listCommand) Help() string {
	return `Exit code: 0; 1 the parts of the data folder do not belong together, or it could not be told.

Examples:

    gakushoku projection list
    gakushoku projection list --json`
}

func (c *listCommand) Run(p *program) error {
	return p.withPartly(c.awsFlag, embedded.ControlRecords, func(i *operator.Installation) error {
		status, err := i.Versions(p.ctx)
		if err != nil {
			return err
		}
		err = p.present(c.JSON, status.Projections, func() {
			p.showVersions(status, false)
			p.showRunsUnderWay(status)
			for _, unknown := range status.Unknown {
				p.printf("\n%s\n", plain(unknown))
			}
		})
		return errors.Join(err, misfitting(status.Misfit))
	})
}

// misfitting returns an error if stores do not belong together.
func misfitting(why string) error {
	if why == "" {
		return nil
	}
	return fmt.Errorf("the parts of the data folder do not belong together: %s", why)
}

type statusCommand struct {
	Watch bool `help:"Show it again every second until Ctrl-C, without counting rows." short:"w"`
	JSON  bool `help:"Print JSON." name:"json"`
	awsFlag
}

func (statusCommand) Help() string {
	return `Shows the table versions of each projection, its rows, the streams that are parked, how far the projector is behind the newest event, and the step that a rebuild is at, also when it has switched readers and soaks. What the events or the log would tell is left out, and said, when they cannot be read.

Exit code: 0; 1 the parts of the data folder do not belong together; 2 the events or the control records cannot be read.

Examples:

    gakushoku projection status
    gakushoku projection status --watch
    gakushoku projection status --json`
}

func (c *statusCommand) Run(p *program) error {
	return p.withPartly(c.awsFlag, embedded.ControlRecords, func(i *operator.Installation) error {
		if c.Watch {
			return c.watch(p, i)
		}
		status, err := i.Status(p.ctx)
		if err != nil {
			return err
		}
		err = errors.Join(p.present(c.JSON, status, func() { c.show(p, status, true) }), misfitting(status.Misfit))
		if err != nil || !status.NoEvents {
			return err
		}
		return couldNotTell(errNoEvents)
	})
}

// errNoEvents is the error of a status that shows everything else.
var errNoEvents = errors.New("how far the events were applied, since the event store cannot be read")

// watchEvery is the interval in which the status is shown.
const watchEvery = time.Second

// watch shows the status every second: in place on a terminal, one after the other elsewhere.
func (c *statusCommand) watch(p *program, i *operator.Installation) error {
	for {
		status, err := i.Versions(p.ctx)
		if err == nil {
			if isTerminal(p.stdout) {
				p.printf("\x1b[H\x1b[2J%s\n\n", time.Now().Format(time.TimeOnly))
			}
			err = p.present(c.JSON, status, func() { c.show(p, status, false) })
		}
		if err == nil {
			err = wait.For(p.ctx, watchEvery)
		}
		if errors.Is(err, context.Canceled) {
			return nil // interrupted by the user
		}
		if err != nil {
			return err
		}
	}
}

func (c *statusCommand) show(p *program, s operator.Status, counted bool) {
	p.printf("%s\n\n", eventsLine(s))
	told := append([]string{s.Readable}, s.Unknown...)
	if c.Watch {
		told = append(told, s.Misfit) // without --watch it is the error
	}
	for _, told := range told {
		if told != "" {
			p.printf("%s\n\n", plain(told))
		}
	}
	p.showVersions(s, counted)
	p.showRunsUnderWay(s)
}

func (p *program) showRunsUnderWay(s operator.Status) {
	for _, projected := range s.Projections {
		for i := range projected.Runs {
			p.printf("\n%s\n", runLine(&projected.Runs[i], s.Stack != ""))
		}
	}
}

// eventsLine returns how many events there are, and how many are applied.
func eventsLine(s operator.Status) string {
	events := plural(int64(s.Head), "event")
	switch {
	case s.NoEvents:
		return "the event store cannot be read, so it is not known how many events there are and how many were applied"
	case s.Stack != "":
		return fmt.Sprintf("stack %s: %s in the log", s.Stack, events)
	case s.Applied < s.Head && s.Reflected == s.Head:
		return fmt.Sprintf("%s, all in the read models by a rebuild: up to date; a server that starts goes over those from %d on once more", events, s.Applied+1)
	case s.Applied < s.Head:
		return fmt.Sprintf("%s, %d applied: %s waiting, the oldest for %s: a running server brings the read models up to date",
			events, s.Reflected, plural(int64(s.Head-s.Reflected), "event"), age(time.Duration(s.BehindMs)*time.Millisecond))
	}
	return fmt.Sprintf("%s, %d applied: up to date", events, s.Applied)
}

func (p *program) showVersions(s operator.Status, counted bool) {
	head := "PROJECTION\tVERSION\tSTATE\tREVISION\tSINCE\tRUN"
	if counted {
		head += "\tROWS\tPARKED"
	}
	table := newTable(p.stdout, head)
	for _, projected := range s.Projections {
		for _, v := range projected.Versions {
			counts := ""
			switch {
			case counted && v.State == projection.Active:
				counts = "\t" + numberText(projected.Rows) + "\t" + numberText(projected.Parked)
			case counted:
				counts = "\t-\t-"
			}
			table.line("%s\t%d\t%s\t%d\t%s\t%s%s", projected.Name, v.Number, stateOf(v), v.Revision, since(v.Since), orDash(v.RunID), counts)
		}
	}
	table.Flush()
	for _, projected := range s.Projections {
		if projected.Unreadable != "" {
			p.printf("%s: readers get nothing: %s\n", projected.Name, plain(projected.Unreadable))
		}
	}
}

// numberText formats a number that may be unknown.
func numberText(n *int) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

func since(at event.Instant) string {
	if at == 0 {
		return "-"
	}
	return at.String()
}

func stateOf(v projection.Version) string {
	if v.Joined {
		return string(v.State) + ", written live"
	}
	return string(v.State)
}

// runLine describes a run that has not ended, and what can be done about it.
func runLine(u *rebuild.UnderWay, inStack bool) string {
	if u.Switched() {
		return soakLine(u, inStack)
	}
	where := "in "
	if !u.AtWork {
		where = "cut off in "
	}
	line := fmt.Sprintf("run %s builds %s: %s%s", u.ID, u.Table(), where, orDash(u.Stage))
	if u.Plan != nil {
		line += fmt.Sprintf(", %s to replay in %s", plural(u.Plan.Events, "event"), plural(int64(u.Plan.Parts), "part"))
	}
	if u.Replay != nil {
		line += fmt.Sprintf(", %s, %d parked", plural(u.Replay.Rows, "row"), u.Replay.Parked)
	}
	if u.Verify != nil && u.Verify.Sound {
		line += ", verified"
	}
	if !u.AtWork {
		line += fmt.Sprintf("; %s\"projection abandon %s\" drops it", resumes(u, inStack), u.Projection)
	}
	return line
}

// soakLine describes a run that has switched readers, and may drop the previous version.
func soakLine(u *rebuild.UnderWay, inStack bool) string {
	line := fmt.Sprintf("run %s has switched: readers are on %s, ", u.ID, u.Table())
	then := fmt.Sprintf("\"projection cleanup %s\" drops the version before, \"projection rollback %s\" goes back to it", u.Projection, u.Projection)
	if u.RolledBack {
		line = fmt.Sprintf("run %s was rolled back: readers are no more on %s, ", u.ID, u.Table())
		then = fmt.Sprintf("it drops nothing; \"projection cleanup %s\" drops %s", u.Projection, u.Table())
	}
	switch {
	case !u.AtWork:
		return line + "cut off in " + string(u.Stage) + "; " + resumes(u, inStack) + then
	case u.SoakUntil != 0:
		return line + "soaking until " + u.SoakUntil.String() + "; " + then
	}
	return line + "in " + string(u.Stage)
}

// resumes says how to resume a run that was cut off; on a stack its execution has ended.
func resumes(u *rebuild.UnderWay, inStack bool) string {
	if inStack {
		return ""
	}
	return fmt.Sprintf("\"projection rebuild %s --resume last\" goes on with it, ", u.Projection)
}

// age formats a duration for a person.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Round(time.Second).String()
}
