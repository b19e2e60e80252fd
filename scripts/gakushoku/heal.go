package main

import (
	"fmt"

	"gakushoku/internal/engine/verify"
)

type healCommand struct {
	Name   string   `arg:"" predictor:"projection" help:"The projection, such as orders."`
	Stream []string `help:"The stream, such as order-o1, or the order's id; may be given again." placeholder:"STREAM" xor:"what" required:""`
	Parked bool     `help:"All parked streams." xor:"what" required:""`
	JSON   bool     `help:"Print JSON, one stream a line." name:"json"`
	awsFlag
}

func (healCommand) Help() string {
	return `Folds the streams from the event store and writes the rows that differ, in every table version that live delivery writes. Safe at any time, and to repeat. A row that holds events which the event store does not have is left alone, and one whose stream is not the same in the event store and in the log. One that is missing is made only where totals do not have its share, which takes a verification of all rows.

Exit code 1 when a stream is parked afterwards, or its row was left alone or is missing.

Examples:

    gakushoku projection heal orders --stream order-o1
    gakushoku projection heal orders --parked`
}

func (c *healCommand) Run(p *program) error {
	list := &healedList{program: p, json: c.JSON}
	err := p.withReadModels(c.awsFlag, func(m *verify.ReadModels) error {
		if c.Parked {
			return m.HealParked(p.ctx, c.Name, list.add)
		}
		return m.Heal(p.ctx, c.Name, c.Stream, list.add)
	})
	if err != nil {
		return err
	}
	return list.end()
}

// healedList prints the outcome of each stream.
type healedList struct {
	*program
	json                   bool
	streams, mended, apart int
	missing, ahead         int
	disputed               int
}

func (l *healedList) add(h verify.Healed) error {
	l.streams++
	outcome := "was right"
	if h.Changed {
		l.mended++
		outcome = fmt.Sprintf("healed, version %d to %d", h.From, h.To)
	}
	if h.Parked != nil {
		l.apart++
		outcome = fmt.Sprintf("parked at version %d (event %s): %s", h.Parked.EventVersion, h.Parked.EventID, plain(h.Parked.Reason))
		if h.Parked.EventID == "" {
			outcome = "parked: " + plain(h.Parked.Reason)
		}
	}
	if h.Missing {
		l.missing++
		outcome = "is missing, and stays so: totals have its share still, or are wrong; rebuild the projection"
	}
	if h.Ahead {
		l.ahead++
		outcome = fmt.Sprintf("left alone: the event store does not have all events up to the row's version %d", h.To)
	}
	if h.Disputed != "" {
		l.disputed++
		outcome = "left alone: " + plain(h.Disputed)
	}
	if l.json {
		return l.printLine(h)
	}
	return l.printf("%s in %s: %s\n", h.Stream, h.Table, outcome)
}

func (l *healedList) end() error {
	if !l.json {
		l.printf("%s, %d healed, %d parked\n", plural(int64(l.streams), "row"), l.mended, l.apart)
	}
	if l.disputed > 0 {
		return fmt.Errorf("%s left alone, since the event store and the log do not have the same events of them: gakushoku events verify --deep (runbook lost-events.md)", plural(int64(l.disputed), "row"))
	}
	if l.ahead > 0 {
		return fmt.Errorf("%s left alone, since the event store does not have their events: gakushoku events verify --deep; what it does not miss, \"projection verify --fix\" empties", plural(int64(l.ahead), "row"))
	}
	if l.missing > 0 {
		return fmt.Errorf("%s missing", plural(int64(l.missing), "row"))
	}
	if l.apart > 0 {
		return fmt.Errorf("%s still parked", plural(int64(l.apart), "row"))
	}
	return nil
}
