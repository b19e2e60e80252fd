package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gakushoku/internal/engine/verify"
)

type verifyCommand struct {
	Name    string `arg:"" predictor:"projection" help:"The projection, such as orders."`
	Version int    `help:"The table version; the one that readers see if not given." placeholder:"N"`
	Fix     bool   `help:"Heal the rows that are wrong, and those missing that totals do not count."`
	Sample  share  `help:"Compare only this share of the streams, such as 1% or 0.01, and at least one; totals are then not compared." placeholder:"SHARE"`
	JSON    bool   `help:"Print the report as JSON." name:"json"`
	awsFlag
}

func (verifyCommand) Help() string {
	return `Folds every stream from the event store and compares the result with its row, field by field, and the totals with the sum of all folds. The server may go on: rows that are only a little behind are looked at again. What is found is classed as stale (behind), missing, extra (no such stream, in the log neither), different, ahead or broken (the event store has lost events; such rows are left alone), or disputed (the event store and the log do not have the same events of the stream, so it is unknown which is right; such rows are left alone). A row that is missing though totals have its share was removed: --fix leaves it, since it would count twice; a rebuild has both right.

Exit code: 0 the read model is sound, or is after --fix; 1 it is not; 2 it could not be told.

Examples:

    gakushoku projection verify orders
    gakushoku projection verify orders --fix
    gakushoku projection verify orders --sample 1% --json`
}

func (c *verifyCommand) Run(p *program) error {
	collectLess()
	var sound bool
	err := p.withReadModels(c.awsFlag, func(m *verify.ReadModels) error {
		verified, took, err := c.verify(p, m)
		if err != nil {
			return err
		}
		sound = verified.Sound
		return c.show(p, &verified, took)
	})
	return judged(err, sound, c.Name)
}

func (c *verifyCommand) show(p *program, v *verify.Verified, took time.Duration) error {
	return p.present(c.JSON, v, func() { p.showVerified(c.Name, v, took) })
}

func (c *verifyCommand) verify(p *program, m *verify.ReadModels) (verify.Verified, time.Duration, error) {
	options := verify.Options{Fix: c.Fix, Sample: float64(c.Sample)}
	started := time.Now()
	line := newProgressLine(p)
	options.Progress = func(at verify.Progress) {
		line.show("%s compared, %.0f events/s, %d to be looked at again, %s",
			plural(at.Rows, "row"), float64(at.Events)/time.Since(started).Seconds(), at.Waiting, plural(at.Problems, "problem"))
	}
	defer line.end()
	verified, err := m.Verify(p.ctx, c.Name, c.Version, options)
	return verified, time.Since(started), err
}

func (p *program) showVerified(name string, v *verify.Verified, took time.Duration) {
	sample := ""
	if 0 < v.Sample && v.Sample < 1 {
		sample = ", a sample of " + ofWhole(v.Sample)
	}
	p.printf("%s (%s, revision %d%s): %s of %s, %s and %s compared in %s\n", v.Table, v.Version.State, v.Version.Revision, sample,
		plural(v.Rows, "row"), plural(v.Streams, "stream"), plural(v.Events, "event"), plural(int64(v.Checked), "total"), took.Round(time.Millisecond))
	if v.Parked > 0 {
		p.printf("%s parked, as the events say: gakushoku projection park list %s\n", plural(v.Parked, "stream"), name)
	}
	if v.Found() > 0 {
		p.showProblems(&v.Report)
	}
	if len(v.Totals) > 0 {
		p.showTotals(v.Totals)
	}
	if v.Misfit != "" {
		p.printf("%s\n", plain(v.Misfit))
	}
	p.printf("%s\n", verdict(name, v))
}

// verdict summarises a verification and says what to do.
func verdict(name string, v *verify.Verified) string {
	rebuild := "gakushoku projection rebuild " + name
	left := v.Found() - v.Mended()
	switch {
	case v.Misfit != "" && v.Report.Sound():
		return "The rows are as the events say, but the events are not those that the read model was made of: see above."
	case v.Sound && v.Mended() > 0:
		return fmt.Sprintf("%s fixed: it is sound now", plural(int64(v.Mended()), "row"))
	case v.Sound:
		return "It is sound."
	case v.Counts[verify.Disputed] > 0:
		return "The event store and the log do not have the same events of " + plural(int64(v.Counts[verify.Disputed]), "stream") + ", whose rows are left alone: gakushoku events verify --deep"
	case v.Counts[verify.Broken]+v.Counts[verify.Ahead] > 0:
		return "The event store lacks events, which healing cannot bring back: gakushoku events verify --deep"
	case v.Counted > 0:
		return fmt.Sprintf("Healing cannot bring back %s: the totals have their share still, or are wrong. Rebuild all: %s", plural(int64(v.Counted), "row"), rebuild)
	case left == 0:
		return "Only a rebuild puts wrong totals right: " + rebuild
	case v.Mended() > 0:
		return fmt.Sprintf("%s fixed, %d could not be: %s", plural(int64(v.Mended()), "row"), left, rebuild)
	}
	return fmt.Sprintf("Heal the rows with --fix, or rebuild all: %s", rebuild)
}

func (p *program) showProblems(r *verify.Report) {
	var counts []string
	for _, class := range verify.Classes {
		if n := r.Counts[class]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, class))
		}
	}
	p.printf("\n%s: %s\n", plural(int64(r.Found()), "problem"), strings.Join(counts, ", "))
	table := newTable(p.stdout, "STREAM\tCLASS\tROW\tSTREAM AT\tEVENT\tCORRELATION ID\tWHAT")
	for _, problem := range r.Problems {
		table.line("%s\t%s\t%d\t%d\t%s\t%s\t%s", problem.Stream, orFixed(string(problem.Class), problem.Fixed), problem.RowVersion, problem.StreamVersion,
			orDash(problem.EventID), orDash(problem.CorrelationID), whatDiffers(problem.Reason, problem.Fields))
	}
	table.Flush()
	p.printMore(r.Found() - len(r.Problems))
}

// whatDiffers lists the fields of a row that differ, on one line.
func whatDiffers(reason string, fields []verify.Field) string {
	parts := make([]string, 0, len(fields)+1)
	if reason != "" {
		parts = append(parts, reason)
	}
	for _, f := range fields {
		parts = append(parts, fmt.Sprintf("%s is %s, should be %s", f.Name, orDash(plain(f.Row)), orDash(plain(f.Fold))))
	}
	return orDash(strings.Join(parts, "; "))
}

func (p *program) showTotals(totals []verify.WrongTotal) {
	table := newTable(p.stdout, "TOTAL\tFIELD\tSTORED\tSHOULD BE")
	for _, t := range totals {
		table.line("%s\t%s\t%d\t%d", plain(t.Key), plain(t.Field), t.Stored, t.Folded)
	}
	table.Flush()
	p.printf("\n")
}

// share is an option whose value is a fraction, such as 1% or 0.01.
type share float64

// ofWhole formats a share in percent, without binary rounding errors.
func ofWhole(of float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(of*100, 'g', 6, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64) + " %"
}

// UnmarshalText parses either form.
func (s *share) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		value /= 100
	}
	if err != nil || !(value > 0 && value <= 1) {
		return fmt.Errorf("%q is not a share such as 1%% or 0.01", text)
	}
	*s = share(value)
	return nil
}
