package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
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
		if c.JSON {
			return errors.Join(p.printJSON(status.Projections), misfitting(status.Misfit))
		}
		err = showVersions(p.stdout, status, false)
		if err == nil {
			err = p.showRunsUnderWay(status)
		}
		for _, unknown := range status.Unknown {
			if err == nil {
				err = p.printf("\n%s\n", plain(unknown))
			}
		}
		return errors.Join(err, misfitting(status.Misfit))
	})
}

// misfitting is the error of parts that do not belong together; nil when they do.
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
	return `Shows the table versions of each projection, its rows, the streams that are set aside (parked), how far the projector is behind the newest event, and the step that a rebuild is at, also when it has switched readers and soaks. What the events or the log would tell is left out, and said, when they cannot be read.

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
		err = errors.Join(c.show(p, status, true), misfitting(status.Misfit))
		if err != nil || !status.NoEvents {
			return err
		}
		return couldNotTell(errNoEvents)
	})
}

// errNoEvents says that all that could be told was shown.
var errNoEvents = errors.New("how far the events were applied, since the event store cannot be read")

// watchEvery is how often the status is shown.
const watchEvery = time.Second

// watch shows the status again and again: in place on a terminal, one after the other elsewhere.
func (c *statusCommand) watch(p *program, i *operator.Installation) error {
	for {
		status, err := i.Versions(p.ctx)
		if err == nil {
			if isTerminal(p.stdout) {
				err = p.printf("\x1b[H\x1b[2J%s\n\n", time.Now().Format(time.TimeOnly))
			}
			err = errors.Join(err, c.show(p, status, false))
		}
		if err == nil {
			err = wait.For(p.ctx, watchEvery)
		}
		if errors.Is(err, context.Canceled) {
			return nil // it was looked at for long enough
		}
		if err != nil {
			return err
		}
	}
}

func (c *statusCommand) show(p *program, s operator.Status, counted bool) error {
	if c.JSON {
		return p.printJSON(s)
	}
	if err := p.printf("%s\n\n", eventsLine(s)); err != nil {
		return err
	}
	told := append([]string{s.Readable}, s.Unknown...)
	if c.Watch {
		told = append(told, s.Misfit) // otherwise it is the error in the end
	}
	for _, told := range told {
		if told != "" {
			if err := p.printf("%s\n\n", plain(told)); err != nil {
				return err
			}
		}
	}
	if err := showVersions(p.stdout, s, counted); err != nil {
		return err
	}
	return p.showRunsUnderWay(s)
}

func (p *program) showRunsUnderWay(s operator.Status) error {
	for _, projected := range s.Projections {
		for i := range projected.Runs {
			if err := p.printf("\n%s\n", runLine(&projected.Runs[i], s.Stack != "")); err != nil {
				return err
			}
		}
	}
	return nil
}

// eventsLine tells how many events there are, and how far they are applied.
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

func showVersions(w io.Writer, s operator.Status, counted bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "PROJECTION\tVERSION\tSTATE\tREVISION\tSINCE\tRUN"
	if counted {
		head += "\tROWS\tPARKED"
	}
	fmt.Fprintln(table, head)
	for _, projected := range s.Projections {
		for _, v := range projected.Versions {
			fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%s\t%s", projected.Name, v.Number, stateOf(v), v.Revision, since(v.Since), orDash(v.RunID))
			if counted {
				rows, parked := "-", "-"
				if v.State == projection.Active {
					rows, parked = numberText(projected.Rows), numberText(projected.Parked)
				}
				fmt.Fprintf(table, "\t%s\t%s", rows, parked)
			}
			fmt.Fprintln(table)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, projected := range s.Projections {
		if projected.Unreadable != "" {
			if _, err := fmt.Fprintf(w, "%s: readers get nothing: %s\n", projected.Name, plain(projected.Unreadable)); err != nil {
				return err
			}
		}
	}
	return nil
}

// numberText is a number that may not be known.
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

// runLine is a run that has not come to its end on one line, with what one can do about it.
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

// soakLine is a run that has switched readers, and may drop the version before.
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

// resumes tells how one goes on with a run that was cut off: of a stack, its execution has ended.
func resumes(u *rebuild.UnderWay, inStack bool) string {
	if inStack {
		return ""
	}
	return fmt.Sprintf("\"projection rebuild %s --resume last\" goes on with it, ", u.Projection)
}

// age is a duration as one says it.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Round(time.Second).String()
}
