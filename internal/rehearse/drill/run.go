package drill

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"gakushoku/internal/operate/runbook"
)

// Options for running a drill.
type Options struct {
	Program  string          // the command line, as a path: what the runbook's commands call
	Keep     bool            // leave the canteen's folder
	Progress func(line Line) // called with each line of progress; may be nil
}

// Line is a line of progress for people.
type Line struct{ Kind, Text string }

// limit bounds a drill, so that a command that hangs cannot hang it.
const limit = 3 * time.Minute

// Run runs a drill. The error is nil only when every check held; the report is filled in either way.
func (d *Drill) Run(ctx context.Context, o Options) (Report, error) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			return Report{Drill: d.Name}, fmt.Errorf("the runbooks' commands need %s: install it: %w", tool, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r := &run{drill: d, options: o, report: Report{Drill: d.Name, Title: d.Title, Page: d.Page, Broken: d.broken}}
	started := time.Now()
	err := r.all(ctx)
	r.report.TookMs = ms(time.Since(started))
	if err != nil {
		r.report.Problem = err.Error()
		for line := range strings.Lines(r.report.Problem) {
			r.say("failed", "%s", strings.TrimRight(line, "\n"))
		}
		return r.report, &failure{d.Name, err}
	}
	r.report.OK = true
	return r.report, nil
}

// failure says in one line why a drill failed; the report has the commands' output.
type failure struct {
	drill string
	cause error
}

func (f *failure) Error() string {
	text, _, more := strings.Cut(f.cause.Error(), "\n")
	if more {
		text += " ..."
	}
	return "drill " + f.drill + ": " + text
}

func (f *failure) Unwrap() error { return f.cause }

// run is one run of a drill.
type run struct {
	drill   *Drill
	options Options
	report  Report
	canteen *canteen
	since   time.Time // of the breakage
	noticed time.Time
}

func (r *run) say(kind, format string, args ...any) {
	if r.options.Progress != nil {
		r.options.Progress(Line{kind, fmt.Sprintf(format, args...)})
	}
}

func (r *run) all(ctx context.Context) (err error) {
	if r.canteen, err = open(ctx, r.options.Program); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, r.canteen.close(r.options.Keep))
		if r.options.Keep {
			r.report.Folder = r.canteen.dir
			r.say("kept", "%s", r.canteen.dir)
		}
	}()
	for _, part := range []func(context.Context) error{r.before, r.breakIt, r.notice, r.repair, r.over, r.closing} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// before checks that nothing is wrong yet, so that what shows later is what the drill broke.
func (r *run) before(ctx context.Context) error {
	for i := range r.drill.signs {
		if _, err := r.drill.signs[i].await(ctx, r.canteen, false); err != nil {
			return fmt.Errorf("before anything is broken: %w", err)
		}
	}
	eaten := sign{"that no order was picked up", func(context.Context, *canteen) (string, bool, error) {
		tally := r.canteen.traffic.SoFar()
		return "", tally.Orders == 0, tally.First
	}}
	if _, err := eaten.await(ctx, r.canteen, false); err != nil {
		return fmt.Errorf("before anything is broken: %w", err)
	}
	return nil
}

func (r *run) breakIt(ctx context.Context) error {
	r.say("broken", "%s", r.drill.broken)
	r.since = time.Now()
	if err := r.drill.breaks(ctx, r.canteen); err != nil {
		return fmt.Errorf("breaking it: %w", err)
	}
	return nil
}

// notice waits for the signs.
func (r *run) notice(ctx context.Context) error {
	for i := range r.drill.signs {
		s := &r.drill.signs[i]
		detail, err := s.await(ctx, r.canteen, true)
		if err != nil {
			return err
		}
		r.noted(&r.report.Signs, s.what, detail, "shown")
		if i == 0 {
			r.noticed = time.Now()
			r.report.DetectMs = r.report.Signs[0].AfterMs
		}
	}
	return nil
}

func (r *run) noted(list *[]Seen, what, detail, kind string) {
	after := time.Since(r.since)
	*list = append(*list, Seen{what, detail, ms(after)})
	if detail != "" {
		what += ": " + detail
	}
	r.say(kind, "after %s  %s", short(after), what)
}

// repair does what the page says.
func (r *run) repair(ctx context.Context) error {
	for i := range r.drill.steps {
		s, started := &r.drill.steps[i], time.Now()
		done := Done{Section: s.section, Hand: s.hand}
		var err error
		if s.do != nil {
			r.say("by hand", "%s", s.hand)
			err = s.do(ctx, r.canteen)
		} else {
			done.Output, err = r.follow(ctx, s)
		}
		done.TookMs = ms(time.Since(started))
		r.report.Steps = append(r.report.Steps, done)
		if err != nil {
			return err
		}
	}
	return nil
}

// follow runs the commands of a section, and checks that they show what they should.
func (r *run) follow(ctx context.Context, s *step) (output string, err error) {
	blocks, err := r.drill.blocks(s.section)
	if err != nil {
		return "", err
	}
	started := time.Now()
	for i := range blocks {
		printed, err := r.block(ctx, &blocks[i])
		output += printed
		if err != nil {
			return output, fmt.Errorf("%s, section %q, %w", r.drill.Page, s.section, err)
		}
	}
	for _, want := range s.shows {
		if !strings.Contains(output, want) {
			return output, fmt.Errorf("%s, section %q does not show %q, but:\n%s", r.drill.Page, s.section, want, output)
		}
	}
	if s.check != nil {
		if err := s.check(output); err != nil {
			return output, fmt.Errorf("%s, section %q: %w:\n%s", r.drill.Page, s.section, err, output)
		}
	}
	r.say("done", "%s, %s: %s", r.drill.Page, s.section, short(time.Since(started)))
	return output, nil
}

func (r *run) block(ctx context.Context, b *runbook.Block) (string, error) {
	for command := range strings.Lines(b.Commands) {
		r.say("$", "%s", strings.TrimRight(command, "\n"))
	}
	return b.Run(ctx, r.canteen.dir, r.canteen.shell())
}

// over waits until every sign is gone.
func (r *run) over(ctx context.Context) error {
	for i := range r.drill.signs {
		s := &r.drill.signs[i]
		if _, err := s.await(ctx, r.canteen, false); err != nil {
			return err
		}
		r.noted(&r.report.Over, s.what, "it is over", "over")
	}
	r.report.RepairMs = ms(time.Since(r.noticed))
	return nil
}

// closing ends the traffic and compares everything with the events.
func (r *run) closing(ctx context.Context) error {
	r.canteen.goHome()
	tally := r.canteen.traffic.SoFar()
	r.report.Guests = Guests{tally.Requests(), tally.Failed, tally.Stale}
	const commands = "gakushoku health wait \"$URL\"\ngakushoku projection verify orders\ngakushoku events verify --deep\n"
	if _, err := (&runbook.Block{Commands: commands}).Run(ctx, r.canteen.dir, r.canteen.shell()); err != nil {
		return fmt.Errorf("at closing time: %w", err)
	}
	r.noted(&r.report.Over, "rows, totals, log and event store are the same", "", "over")
	r.say("guests", "%d requests: %d failed, %d wrong answers", tally.Requests(), tally.Failed, tally.Stale)
	return nil
}

// short formats a duration in a few letters.
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
