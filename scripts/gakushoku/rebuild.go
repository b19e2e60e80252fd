package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
)

type rebuildCommand struct {
	Name string `arg:"" optional:"" predictor:"projection" help:"The projection, such as orders."`
	All  bool   `help:"Every projection, one after the other."`

	Stream            []string `help:"Repair only this stream, in place; may be given again." placeholder:"STREAM" xor:"what"`
	FromEventNumber   *uint64  `help:"Repair only the streams with an event of this number or a later one, in place." placeholder:"N" xor:"what"`
	FromInconsistency bool     `help:"Verify, and repair only the streams whose rows are wrong, in place." xor:"what"`
	Until             moment   `help:"Build the read model as of TIME in a scratch version. Readers are not switched to it; it replaces any earlier scratch version. A time, or how long ago, such as 24h." placeholder:"TIME" xor:"what"`
	Resume            string   `help:"Go on with a run that was cut off; last is the one that status shows." placeholder:"RUN" xor:"what"`

	DryRun         bool           `help:"Fold and count, but write nothing: events, rows, bytes, time, cost on AWS, and the events that cannot be applied."`
	Approve        bool           `help:"Wait before the switch until a person approves it."`
	Soak           *time.Duration `help:"Drop the old version that long after the switch; if not given it is kept until cleanup." placeholder:"DURATION"`
	AllowParked    *int           `help:"How many streams may be parked without stopping the rebuild." placeholder:"N"`
	MaxConcurrency int            `help:"How many parts are replayed at once." placeholder:"N"`
	Sample         share          `help:"Verify only this share of the rows, such as 1%." placeholder:"SHARE"`
	JSON           bool           `help:"Print what was done as JSON." name:"json"`
	awsFlag
}

func (rebuildCommand) Help() string {
	return `Folds the whole log into a new table version, lets live delivery join, catches up, compares every row and total with the events, and switches readers, all while the server goes on: readers see the old rows until then. The old version is kept and still written, so "rollback" loses nothing; "cleanup" drops it. With --soak the run goes on after the switch, and drops the old version itself when that time is over; "cleanup" ends it earlier, Ctrl-C keeps the old version. A rebuild that fails leaves the live version untouched. Only one at a time for a projection.

Examples:

    gakushoku projection rebuild orders
    gakushoku projection rebuild orders --dry-run
    gakushoku projection rebuild orders --approve --soak 24h
    gakushoku projection rebuild orders --stream order-o1
    gakushoku projection rebuild orders --from-inconsistency
    gakushoku projection rebuild --all`
}

func (c *rebuildCommand) Run(p *program) error {
	collectLess()
	if c.All == (c.Name != "") {
		return usagef("name the projection, or give --all")
	}
	if c.All && (len(c.Stream) > 0 || c.Resume != "") {
		return usagef("--stream and --resume are for one projection: name it")
	}
	if c.FromEventNumber != nil && *c.FromEventNumber == 0 {
		return usagef("--from-event-number: events are numbered from 1")
	}
	if c.Soak != nil && *c.Soak < 0 {
		return usagef("--soak: %s is not a time from 0s on", *c.Soak)
	}
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		names := []string{c.Name}
		if c.All {
			names = i.Models.Names()
		}
		for _, name := range names {
			if err := c.rebuild(p, i, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *rebuildCommand) rebuild(p *program, i *operator.Installation, name string) error {
	if c.FromInconsistency {
		return p.healInconsistent(i.Models, name, c.JSON)
	}
	request := c.request(name)
	if len(c.Stream) > 0 {
		streams, err := i.Models.StreamNames(p.ctx, name, c.Stream)
		if err != nil {
			return err
		}
		request.Streams = streams
	}
	resume, err := p.runToResume(i, name, c.Resume)
	if err != nil {
		return err
	}
	started := time.Now()
	run, err := p.runRebuild(i, request, resume)
	var cut *rebuild.CutInSoak
	if errors.As(err, &cut) {
		return stoppedInSoak(&cut.Run)
	}
	if err != nil {
		return err
	}
	err = p.present(c.JSON, run, func() { p.showRun(&run, time.Since(started), c.AWS) })
	if err == nil && run.Heal != nil && run.Heal.Disputed > 0 {
		return fmt.Errorf("%s left alone, since the event store and the log do not have the same events of them (%s): gakushoku events verify --deep", plural(int64(run.Heal.Disputed), "row"), run.Heal.DisputedSample[0])
	}
	if err == nil && run.Heal != nil && run.Heal.Missing > 0 {
		return fmt.Errorf("%s missing, and not made: totals have their share still, or are wrong; rebuild the whole projection", plural(int64(run.Heal.Missing), "row"))
	}
	return err
}

// stoppedInSoak returns the error of a run that was stopped after its switch, which says what readers see.
func stoppedInSoak(run *rebuild.Run) error {
	return fmt.Errorf("stopped in the soak of run %s: readers are on %s, and the version before is kept and still written; \"projection cleanup %s\" drops it, \"projection rollback %s\" goes back to it, \"projection rebuild %s --resume last\" goes on with the soak",
		run.ID, run.Table(), run.Projection, run.Projection, run.Projection)
}

// runToResume returns the id of the given run, or of the last one that has not ended.
func (p *program) runToResume(i *operator.Installation, name, runID string) (string, error) {
	if runID != "last" {
		return runID, nil
	}
	status, err := i.Versions(p.ctx)
	if err != nil {
		return "", err
	}
	var last *rebuild.UnderWay
	for _, projected := range status.Projections {
		for k := range projected.Runs {
			// Prefer a run that no process works on.
			if run := &projected.Runs[k]; projected.Name == name && (last == nil || last.AtWork || !run.AtWork) {
				last = run
			}
		}
	}
	if last != nil {
		return last.ID, nil
	}
	return "", fmt.Errorf("no run of %s is under way: there is nothing to go on with", name)
}

func (c *rebuildCommand) request(name string) rebuild.Request {
	r := rebuild.Request{
		Projection: name, Until: c.Until.instant(), DryRun: c.DryRun, Approve: c.Approve,
		MaxConcurrency: c.MaxConcurrency, Sample: float64(c.Sample),
	}
	if c.AllowParked != nil {
		r.AllowParked = *c.AllowParked
	}
	if c.FromEventNumber != nil {
		r.FromEventNumber = *c.FromEventNumber
	}
	if c.Soak != nil {
		soak := rebuild.Seconds(*c.Soak)
		r.Soak = &soak
	}
	return r
}

// runRebuild executes a request, or resumes a run, and shows its progress.
func (p *program) runRebuild(i *operator.Installation, request rebuild.Request, resume string) (run rebuild.Run, err error) {
	show := newRebuildProgress(p, request.Projection)
	defer func() { show.end(err) }()
	if resume != "" {
		return i.ResumeRebuild(p.ctx, request.Projection, resume, show.options())
	}
	return i.Rebuild(p.ctx, request, show.options())
}

// healInconsistent heals the wrong rows of every version that live delivery writes.
func (p *program) healInconsistent(m *verify.ReadModels, name string, asJSON bool) error {
	versions, err := m.Live(p.ctx, name)
	if err != nil {
		return err
	}
	var unsound []error
	for _, number := range versions {
		c := verifyCommand{Name: name, Version: number, Fix: true, JSON: asJSON}
		verified, took, err := c.verify(p, m)
		if err != nil {
			return err
		}
		if !verified.Sound {
			unsound = append(unsound, fmt.Errorf("%s is not sound", verified.Table))
		}
		if err := c.show(p, &verified, took); err != nil {
			return err
		}
	}
	return errors.Join(unsound...)
}

// showRun prints what a run did.
func (p *program) showRun(r *rebuild.Run, took time.Duration, onAWS string) {
	switch r.Mode {
	case rebuild.ModeHeal:
		p.printf("%s: %s folded again in %s, %d of them parked\n", r.Projection, plural(int64(r.Heal.Streams), "stream"), versionNames(r.Projection, r.Heal.Versions), r.Heal.Parked)
	case rebuild.ModeDryRun:
		p.showDryRun(r, took, onAWS)
	case rebuild.ModeScratch:
		replaced := ""
		if len(r.Dropped) > 0 {
			replaced = fmt.Sprintf("; %s, which showed a moment before, is dropped for it: there is one at a time", versionNames(r.Projection, r.Dropped))
		}
		p.printf("%s: %s in %s, as of %s; readers are not switched to it, \"gakushoku projection cleanup %s\" drops it%s\n",
			r.Projection, plural(r.Replay.Rows, "row"), r.Table(), until(r), r.Projection, replaced)
	default:
		p.showFullRun(r, took)
	}
}

// showFullRun prints what a run did that switched readers.
func (p *program) showFullRun(r *rebuild.Run, took time.Duration) {
	p.printf("%s: %s, %s in %s, which replaces version %d, in %s\n", r.Projection, plural(r.Plan.Events, "event"), plural(r.Replay.Rows, "row"), r.Table(), cmp.Or(r.Replaced, r.FromVersion), took.Round(time.Millisecond))
	p.showVerification(r)
	if len(r.Dropped) > 0 {
		p.printf("dropped %s\n", versionNames(r.Projection, r.Dropped))
	}
	if r.Request.Soak == nil && r.Replaced != 0 {
		p.printf("%s-v%d is kept and still written: \"rollback %s\" goes back to it, \"cleanup %s\" drops it\n", r.Projection, r.Replaced, r.Projection, r.Projection)
	}
}

// showVerification prints the outcome of verifying the new version.
func (p *program) showVerification(r *rebuild.Run) {
	v := r.Verify
	if v == nil {
		return
	}
	sample := ""
	if r.Request.Sample > 0 && r.Request.Sample < 1 {
		sample = " (a sample of " + ofWhole(r.Request.Sample) + ")"
	}
	verdict := "sound"
	if !v.Sound {
		verdict = "NOT sound"
	}
	old := v.Old
	against := fmt.Sprintf("%d same, %d changed, %d only old, %d only new", old.Same+old.Moving, old.Changed, old.OnlyOld, old.OnlyNew)
	if old.Unreadable != "" {
		against = "not compared, it cannot be read: " + plain(old.Unreadable)
	}
	p.printf("verified %s and %s%s: %s, %d brought in late, %d parked\nagainst version %d: %s\n",
		plural(v.Rows, "row"), plural(v.Events, "event"), sample, verdict, v.Healed, v.Parked, r.FromVersion, against)
	for _, row := range old.Sample {
		p.printf("  %s\n", plain(row))
	}
}

func until(r *rebuild.Run) string {
	if r.Request.UntilNumber > 0 {
		return fmt.Sprintf("event %d", r.Request.UntilNumber)
	}
	return r.Request.Until.String()
}

// showDryRun prints what a rebuild would do.
func (p *program) showDryRun(r *rebuild.Run, took time.Duration, onAWS string) {
	here := ""
	if onAWS == "" {
		here = fmt.Sprintf("here     about %s\n", estimateHere(took))
	}
	e := r.Replay.Estimate
	if e == nil {
		e = &rebuild.Estimate{}
	}
	p.printf(`%s, a dry run: nothing was written
events   %d in %s of the log (%s compressed), up to number %d
rows     %d (%s), in %s; the largest takes %s of memory
parked   %d
%son AWS   about %s for replay and verification (what binds: %s), %d write units, about %.2f USD
`, r.Projection, r.Plan.Events, plural(r.Plan.Segments, "segment"), sizeOf(r.Plan.Bytes), r.Plan.Watermark,
		r.Replay.Rows, sizeOf(r.Replay.RowBytes), plural(int64(r.Plan.Parts), "part"), sizeOf(r.Replay.LargestPart),
		r.Replay.Parked, here, time.Duration(e.Seconds)*time.Second, orDash(e.Binds), e.WriteUnits, e.USD)
	for _, poison := range r.Replay.ParkedSample {
		p.printf("         %s\n", plain(poison))
	}
}

// estimateHere estimates how long the run would take in this process if it also wrote, joined and verified:
// writing and verifying each take as long as folding, and joining waits.
func estimateHere(took time.Duration) time.Duration {
	const joining = 5 * time.Second
	return (3*took + joining).Round(time.Second)
}

// sizeOf formats a number of bytes.
func sizeOf(n int64) string {
	const units = "kMGT"
	if n < 1000 {
		return plural(n, "byte")
	}
	value, at := float64(n)/1000, 0
	for value >= 1000 && at < len(units)-1 {
		value, at = value/1000, at+1
	}
	return fmt.Sprintf("%.1f %cB", value, units[at])
}
