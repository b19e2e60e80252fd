package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/top"
)

// showPage prints a page for a person.
func showPage(w io.Writer, p *topPage) {
	fmt.Fprintf(w, "%s  %s  over %s\n", plain(p.Server), p.At.Format(time.TimeOnly), time.Duration(p.Seconds*float64(time.Second)).Round(10*time.Millisecond))
	showParts(w, &p.Health)
	table := newTable(w, "")
	showRates(table, "REQUEST\tSTATUS", p.Requests)
	showRates(table, "COMMAND\tRESULT", p.Commands)
	table.Flush()
	fmt.Fprintf(w, "\nerrors      %s\n", perSecond(p.Errors))
	fmt.Fprintf(w, "events      %.1f/s appended, %.1f/s conflicts, %.1f/s repeated commands\n", p.AppendedPerSecond, p.ConflictsPerSecond, p.RepeatsPerSecond)
	fmt.Fprintf(w, "projecting  %s, in all table versions\n", perSecond(p.Delivered))
	for i := range p.Projections {
		q := &p.Projections[i]
		fmt.Fprintf(w, "  %-9s lag %s, %.1f/s healed, %s parked\n", q.Name, quantilesText(q.Lag), q.HealsPerSecond, orUnknown(q.Parked))
	}
	fmt.Fprintf(w, "log         head %s, lag %s\n", orUnknown(p.Log.Head), quantilesText(p.Log.Lag))
	if p.PointerHits != nil {
		fmt.Fprintf(w, "pointer     %s of reads from memory\n", percent(p.PointerHits))
	}
	fmt.Fprintf(w, "machine     cpu %s, memory %s, disk %s\n", percent(p.Machine.CPU), percent(p.Machine.Memory), percent(p.Machine.Disk))
	for _, r := range p.Rebuilds {
		fmt.Fprintf(w, "rebuild     %s: %s, of %.0f events\n", r.Projection, perSecond(r.PerSecond), r.Planned)
	}
	for i := range p.Runs {
		fmt.Fprintf(w, "rebuild     %s\n", plain(runLine(&p.Runs[i], false)))
	}
}

// fit shortens a page to the height of a window: otherwise the health, which comes first, would scroll out of
// sight. It first omits rates of 0, and then cuts lines at the end.
func fit(text *bytes.Buffer, p *topPage, rows int) {
	rows-- // the cursor is below the page
	if bytes.Count(text.Bytes(), newline) > rows {
		busy := *p
		busy.Requests, busy.Commands = happening(p.Requests), happening(p.Commands)
		text.Reset()
		showPage(text, &busy)
	}
	kept := 0
	for line := range bytes.Lines(text.Bytes()) {
		if rows == 0 {
			break
		}
		rows, kept = rows-1, kept+len(line)
	}
	text.Truncate(kept)
}

var newline = []byte("\n")

// happening returns the rates that are not 0.
func happening(rates []top.Rate) []top.Rate {
	return slices.DeleteFunc(slices.Clone(rates), func(r top.Rate) bool { return r.PerSecond == 0 })
}

// showParts prints the health of the parts of a server, failing ones first.
func showParts(w io.Writer, r *health.Report) {
	fmt.Fprintf(w, "health      %s\n", strings.ToUpper(string(r.Status)))
	parts := slices.Clone(r.Parts)
	slices.SortStableFunc(parts, func(a, b health.Part) int {
		return strings.Compare(string(a.Status), string(b.Status)) // "failing" sorts before "ok"
	})
	for _, p := range parts {
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(fmt.Sprintf("%-14s %-8s %s", p.Name, p.Status, plain(p.Detail)), " "))
	}
}

func showRates(t table, head string, rates []top.Rate) {
	t.line("\n%s\tPER SECOND\tP50\tP95", head)
	for _, r := range rates {
		t.line("%s\t%s\t%.1f\t%s\t%s", plain(r.Name), plain(strings.TrimSpace(r.Result+" "+r.ErrorClass)), r.PerSecond, milliseconds(r.P50Ms), milliseconds(r.P95Ms))
	}
	if len(rates) == 0 {
		t.line("none")
	}
}

// perSecond formats rates by name.
func perSecond(rates map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		parts = append(parts, fmt.Sprintf("%s %.1f/s", name, rates[name]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func quantilesText(q top.Quantiles) string {
	if q.P50Ms == nil {
		return "- (nothing came)"
	}
	return fmt.Sprintf("p50 %s, p95 %s", milliseconds(q.P50Ms), milliseconds(q.P95Ms))
}

func milliseconds(ms *float64) string {
	if ms == nil {
		return "-"
	}
	return lasting(*ms, 1)
}

func orUnknown(n *float64) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprintf("%.0f", *n)
}

func percent(part *float64) string {
	if part == nil {
		return "?"
	}
	return fmt.Sprintf("%.1f %%", 100**part)
}
