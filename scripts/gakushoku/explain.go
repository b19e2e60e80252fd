package main

import (
	"fmt"
	"strings"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
)

type explainCommand struct {
	Name string `arg:"" predictor:"projection" help:"The projection, such as orders."`
	Key  string `arg:"" help:"The row: its stream, such as order-o1, or the order's id."`
	JSON bool   `help:"Print JSON." name:"json"`
	awsFlag
}

func (explainCommand) Help() string {
	return `Shows the events of the stream with their numbers and correlation ids, the row in each table version with the revision of the code that made it, what the row adds to totals, and where it differs from what the events say.

Examples:

    gakushoku explain orders o1
    gakushoku explain orders order-o1 --json`
}

func (c *explainCommand) Run(p *program) error {
	return p.withPartly(c.awsFlag, embedded.EventStore|embedded.ControlRecords, func(i *operator.Installation) error {
		e, err := i.Models.Explain(p.ctx, c.Name, c.Key)
		if err != nil {
			return err
		}
		return p.present(c.JSON, e, func() { p.showExplanation(&e) })
	})
}

func (p *program) showExplanation(e *verify.Explanation) {
	p.printf("%s in %s: %s\n\n", e.Stream, e.Projection, plural(int64(len(e.Events)), "event"))
	table := newTable(p.stdout, "VERSION\tNUMBER\tOCCURRED AT\tTYPE\tEVENT ID\tCORRELATION ID\tACTOR\tPAYLOAD")
	for _, v := range e.Events {
		number := "-"
		if v.Number > 0 {
			number = fmt.Sprint(v.Number)
		}
		table.line("%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s", v.Version, number, v.OccurredAt, v.Type, v.EventID, orDash(v.CorrelationID), orDash(v.Actor), shortPayload(v.Payload))
	}
	table.Flush()
	if e.Unnumbered != "" {
		p.printf("\nthe numbers of the events are not known: %s\n", plain(e.Unnumbered))
	}
	for i := range e.Versions {
		p.showByFold(&e.Versions[i])
	}
}

// showByFold prints the row of one table version.
func (p *program) showByFold(v *verify.ExplainedByFold) {
	made := ""
	if v.About.RunID != "" {
		made = ", made by run " + v.About.RunID
	}
	p.printf("\n%s: %s, folded by revision %d of the code%s\n", v.Table, v.About.State, v.About.Revision, made)
	p.showRow("row", v.Row)
	switch {
	case v.Class != "":
		p.printf("  It is %s: %s\n", v.Class, whatDiffers(v.Reason, v.Diff))
		p.showRow("fold", v.Fold)
	case v.Fold == nil:
		p.printf("  %s\n", orDash(v.Reason))
	case v.Behind && v.About.Live():
		p.printf("  It is behind the stream. All events together say:\n")
		p.showRow("fold", v.Fold)
	case v.Behind:
		p.printf("  It is %s and not kept up to date.\n", v.About.State)
	default:
		p.printf("  It is what the events say.\n")
	}
}

func (p *program) showRow(what string, r *verify.ExplainedRow) {
	if r == nil {
		p.printf("  %-5s none\n", what)
		return
	}
	p.printf("  %-5s version %d  %s\n", what, r.Version, orDash(plain(string(r.Data)+r.Unreadable)))
	if r.Bucket != "" {
		p.printf("        listed under %s at %s\n", plain(r.Bucket), plain(r.Sort))
	}
	if r.Parked != nil {
		p.printf("        parked %s\n", parkedSince(r.Parked))
	}
	if len(r.Contributions) > 0 {
		p.printf("        adds to totals: %s\n", contributions(r.Contributions))
	}
}

func parkedSince(k *projection.Parked) string {
	return fmt.Sprintf("since %s, %s, at version %d (event %s): %s", k.Since, plural(int64(k.Attempts), "attempt"), k.EventVersion, k.EventID, plain(k.Reason))
}

func contributions(cs []verify.Contribution) string {
	parts := make([]string, len(cs))
	for i, c := range cs {
		parts[i] = plain(fmt.Sprintf("%s %s %+d", c.Key, c.Field, c.Amount))
	}
	return strings.Join(parts, ", ")
}
