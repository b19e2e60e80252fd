package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/app/operator"
	engine "gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
)

type processCommands struct {
	List       processListCommand       `cmd:"" help:"List the streams that wait for a step."`
	Show       processShowCommand       `cmd:"" help:"Show where the process of one stream is."`
	Redrive    processRedriveCommand    `cmd:"" help:"Have a step tried again at once, and forget its failures."`
	Compensate processCompensateCommand `cmd:"" help:"Have a process undo what it did for a stream."`
}

// processStream is the argument of commands about one stream.
type processStream struct {
	Stream string `arg:"" help:"The stream, such as order-o1, or the order's id."`
	JSON   bool   `help:"Print JSON." name:"json"`
	awsFlag
}

// of finds the process of the stream.
func (s *processStream) of(p *program, i *operator.Installation) (*engine.Operator, engine.Shown, error) {
	o, shown, err := i.Process.Of(p.ctx, s.Stream)
	if errors.Is(err, engine.ErrNoSuch) {
		err = usagef("no process has a stream %q: `gakushoku process list` shows those that wait for a step", s.Stream)
	}
	return o, shown, err
}

type processListCommand struct {
	Stuck bool `help:"Only those whose step failed too often to be tried again by itself."`
	JSON  bool `help:"Print JSON, one stream a line." name:"json"`
	awsFlag
}

func (processListCommand) Help() string {
	return `A process carries an order from one step to the next: a row says what has to be done, and when. A step that fails is tried again after growing pauses. After ten failures it is stuck, until "gakushoku process redrive" or "gakushoku process compensate".

Exit code 1 with --stuck when one is stuck.

Examples:

    gakushoku process list
    gakushoku process list --stuck --json`
}

func (c *processListCommand) Run(p *program) error {
	list := &waitingList{program: p, json: c.JSON, table: newTable(p.stdout, "")}
	err := p.withInstallation(c.awsFlag, func(i *operator.Installation) error { return i.Process.Each(p.ctx, c.Stuck, list.add) })
	if err != nil {
		return err
	}
	if err := list.end(c.Stuck); err != nil || !c.Stuck || list.rows == 0 {
		return err
	}
	return fmt.Errorf("%s stuck", plural(int64(list.rows), "stream"))
}

// waitingList prints streams as they are found.
type waitingList struct {
	*program
	json  bool
	table table
	rows  int
}

func (l *waitingList) add(w engine.Waiting) error {
	l.rows++
	if l.json {
		return l.printLine(w)
	}
	if l.rows == 1 {
		l.table.line("PROCESS\tSTREAM\tVERSION\tSTEP\tDUE\tFAILED\tSTATE\tLAST ERROR")
	}
	l.table.line("%s\t%s\t%d\t%s\t%s\t%d\t%s\t%s", w.Process, w.Stream, w.Version, w.Task.Step, w.Task.Due, w.Task.Attempts, taskState(&w.Task), orDash(plain(w.Task.Error)))
	return nil
}

// taskState says whether a task is tried, and when.
func taskState(t *projection.Task) string {
	switch {
	case !t.Stuck.IsZero():
		return "stuck since " + t.Stuck.String()
	case t.Attempts > 0:
		return "again at " + t.Again.String()
	}
	return "waits"
}

func (l *waitingList) end(stuck bool) error {
	switch {
	case l.json:
		return nil
	case l.rows > 0:
		return l.table.Flush()
	case stuck:
		return l.printf("Nothing is stuck.\n")
	}
	return l.printf("Nothing waits for a step.\n")
}

type processShowCommand struct{ processStream }

func (processShowCommand) Help() string {
	return `Folds the stream from the event store, which is what a worker does before each step, and shows the row beside it.

Example:

    gakushoku process show order-o1`
}

func (c *processShowCommand) Run(p *program) error {
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		_, shown, err := c.of(p, i)
		if err != nil {
			return err
		}
		return p.present(c.JSON, shown, func() { p.showProcess(&shown) })
	})
}

func (p *program) showProcess(s *engine.Shown) {
	p.printf("%s of %s, version %d\n", s.Process, s.Stream, s.Version)
	if s.Next == nil {
		p.printf("  rests: it waits for another event\n")
	} else {
		p.printf("  next step    %s, due %s\n", s.Next.Step, s.Next.Due)
		p.printf("  call id      %s\n", s.CallID)
	}
	if s.Task != nil && s.Task.Attempts > 0 {
		p.printf("  failed       %s: %s\n", plural(int64(s.Task.Attempts), "attempt"), plain(s.Task.Error))
		p.printf("  state        %s\n", taskState(s.Task))
	}
	p.printf("  row          version %d in %s\n", s.RowVersion, s.Table)
	if state, err := json.Marshal(s.State); err == nil {
		p.printf("  fold         %s\n", state)
	}
}

type processRedriveCommand struct{ processStream }

func (processRedriveCommand) Help() string {
	return `Forgets the failures of the step that a stream waits for. A running server, or the process function of a stack, tries it within a minute. Safe at any time: a step that was carried out is not carried out twice.

Example:

    gakushoku process redrive order-o1`
}

func (c *processRedriveCommand) Run(p *program) error {
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		o, shown, err := c.of(p, i)
		if err != nil {
			return err
		}
		waiting, err := o.Redrive(p.ctx, shown.Stream)
		if err != nil {
			return err
		}
		return p.present(c.JSON, waiting, func() {
			p.printf("%s: step %s is tried again within a minute\n", waiting.Stream, waiting.Task.Step)
		})
	})
}

type processCompensateCommand struct{ processStream }

func (processCompensateCommand) Help() string {
	return `Calls the order off: the process then undoes in reverse what it did, gives money and portions back, and the order ends cancelled. Refused when the kitchen has begun.

Example:

    gakushoku process compensate order-o1`
}

func (c *processCompensateCommand) Run(p *program) error {
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		o, shown, err := c.of(p, i)
		if err != nil {
			return err
		}
		if err := o.Compensate(p.ctx, shown.Stream); err != nil {
			return err
		}
		after, err := o.Show(p.ctx, shown.Stream)
		if err != nil {
			return err
		}
		return p.present(c.JSON, after, func() { p.showProcess(&after) })
	})
}
