package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
)

// report collects the figures of all suites for one table at the end.
type report struct {
	out, complain io.Writer
	suite         string // the suite that is running
	figures       []figure
	leftOut       []string
}

// figure is one line of the summary.
type figure struct {
	suite    string
	what     string
	ours     float64
	unit     string
	baseline string  // name of the baseline; "" if there is none
	theirs   float64 // in the same unit
	aim      aim
}

// aim is the aim for a figure. The zero aim accepts anything.
type aim struct {
	text  string
	holds func(f figure) bool
}

// atLeast returns the aim that our figure is at least this multiple of the baseline.
func atLeast(times float64) aim {
	return aim{fmt.Sprintf("at least %g x", times), func(f figure) bool { return f.ours >= times*f.theirs }}
}

// atMost returns the aim that our figure is at most this multiple of the baseline.
func atMost(times float64) aim {
	return aim{fmt.Sprintf("at most %g x", times), func(f figure) bool { return f.ours <= times*f.theirs }}
}

// above and below return the aim that our figure is on one side of a limit.
func above(limit float64) aim {
	return aim{fmt.Sprintf("above %g", limit), func(f figure) bool { return f.ours > limit }}
}

func below(limit float64) aim {
	return aim{fmt.Sprintf("below %g", limit), func(f figure) bool { return f.ours < limit }}
}

// measure runs one suite under a heading that shows how busy the machine is.
func (r *report) measure(ctx context.Context, s suite, args []string) error {
	r.suite = s.name
	if !s.tool() {
		fmt.Fprintf(r.out, "\n== %s: %s\n%s\n\n", s.name, s.about, machine())
	}
	return helped(s.run(ctx, args, r))
}

// add adds a figure of the running suite.
func (r *report) add(f figure) {
	f.suite = r.suite
	r.figures = append(r.figures, f)
}

// leaveOut records what could not be measured and why.
func (r *report) leaveOut(what string, err error) {
	text := fmt.Sprintf("%s: %v", what, err)
	fmt.Fprintf(r.complain, "left out: %s\n", text)
	r.leftOut = append(r.leftOut, text)
}

// summary prints all figures, each with its baseline and its aim, and what was not measured.
func (r *report) summary() {
	if len(r.figures) > 0 {
		fmt.Fprintf(r.out, "\n== summary\n%s\n\n", machine())
		table := tabwriter.NewWriter(r.out, 0, 0, 1, ' ', 0)
		fmt.Fprintln(table, "| suite\t| measured\t| ours\t| baseline\t| ratio\t| aim\t| met\t|")
		fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
		for _, f := range r.figures {
			fmt.Fprintf(table, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", f.suite, f.what, value(f.ours, f.unit), f.beside(), f.ratio(), f.aim.text, f.met())
		}
		table.Flush()
	}
	if len(r.leftOut) > 0 {
		fmt.Fprintln(r.out, "\nLeft out:")
		for _, text := range r.leftOut {
			fmt.Fprintf(r.out, "- %s\n", text)
		}
	}
}

func (f figure) beside() string {
	if f.baseline == "" {
		return ""
	}
	return f.baseline + ": " + value(f.theirs, f.unit)
}

func (f figure) ratio() string {
	if f.baseline == "" || f.theirs == 0 {
		return ""
	}
	times := f.ours / f.theirs
	digits := 2
	for limit := 0.1; times < limit && digits < 5; limit /= 10 {
		digits++
	}
	return fmt.Sprintf("%.*f x", digits, times)
}

func (f figure) met() string {
	switch {
	case f.aim.holds == nil:
		return ""
	case f.aim.holds(f):
		return "yes"
	}
	return "NO"
}

// value formats a figure with its significant digits.
func value(v float64, unit string) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f M %s", v/1e6, unit)
	case v >= 100:
		return fmt.Sprintf("%.0f %s", v, unit)
	}
	return fmt.Sprintf("%.2f %s", v, unit)
}
