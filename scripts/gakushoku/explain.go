package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
)

type explainCommand struct {
	Name string `arg:"" help:"The projection, such as orders."`
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
		if c.JSON {
			return p.printJSON(e)
		}
		return p.showExplanation(&e)
	})
}

func (p *program) showExplanation(e *verify.Explanation) error {
	fmt.Fprintf(p.stdout, "%s in %s: %s\n\n", e.Stream, e.Projection, plural(int64(len(e.Events)), "event"))
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tNUMBER\tOCCURRED AT\tTYPE\tEVENT ID\tCORRELATION ID\tACTOR\tPAYLOAD")
	for _, v := range e.Events {
		number := "-"
		if v.Number > 0 {
			number = fmt.Sprint(v.Number)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Version, number, v.OccurredAt, v.Type, v.EventID, orDash(v.CorrelationID), orDash(v.Actor), shortPayload(v.Payload))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if e.Unnumbered != "" {
		fmt.Fprintf(p.stdout, "\nthe numbers of the events are not known: %s\n", plain(e.Unnumbered))
	}
	for i := range e.Versions {
		if err := p.showByFold(&e.Versions[i]); err != nil {
			return err
		}
	}
	return nil
}

// showByFold shows what one table version has.
func (p *program) showByFold(v *verify.ExplainedByFold) error {
	made := ""
	if v.About.RunID != "" {
		made = ", made by run " + v.About.RunID
	}
	fmt.Fprintf(p.stdout, "\n%s: %s, folded by revision %d of the code%s\n", v.Table, v.About.State, v.About.Revision, made)
	p.showRow("row", v.Row)
	switch {
	case v.Class != "":
		fmt.Fprintf(p.stdout, "  It is %s: %s\n", v.Class, whatDiffers(v.Reason, v.Diff))
		p.showRow("fold", v.Fold)
	case v.Fold == nil:
		fmt.Fprintf(p.stdout, "  %s\n", orDash(v.Reason))
	case v.Behind && v.About.Live():
		fmt.Fprintln(p.stdout, "  It is behind the stream. All events together say:")
		p.showRow("fold", v.Fold)
	case v.Behind:
		fmt.Fprintf(p.stdout, "  It is %s and not kept up to date.\n", v.About.State)
	default:
		fmt.Fprintln(p.stdout, "  It is what the events say.")
	}
	return nil
}

func (p *program) showRow(what string, r *verify.ExplainedRow) {
	if r == nil {
		fmt.Fprintf(p.stdout, "  %-5s none\n", what)
		return
	}
	fmt.Fprintf(p.stdout, "  %-5s version %d  %s\n", what, r.Version, orDash(plain(string(r.Data)+r.Unreadable)))
	if r.Bucket != "" {
		fmt.Fprintf(p.stdout, "        listed under %s at %s\n", plain(r.Bucket), plain(r.Sort))
	}
	if r.Parked != nil {
		fmt.Fprintf(p.stdout, "        set aside %s\n", parkedSince(r.Parked))
	}
	if len(r.Contributions) > 0 {
		fmt.Fprintf(p.stdout, "        adds to totals: %s\n", contributions(r.Contributions))
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
