package drill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/fault/wait"
	"gakushoku/internal/operate/alarm"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/runbook"
)

// How long a sign may take to appear, and to disappear, on a busy machine.
const (
	signLimit = 60 * time.Second
	signPause = 100 * time.Millisecond
)

// sign shows that something is wrong; once it is gone, all is well.
type sign struct {
	what string
	// look reports whether the sign is there, and what it says. An error means neither.
	look func(context.Context, *canteen) (detail string, there bool, err error)
}

// alarmed is an alarm with a short period: a drill does not wait five minutes.
func alarmed(name string, period time.Duration) sign {
	return sign{"alarm " + name, func(_ context.Context, c *canteen) (string, bool, error) {
		condition, ok := alarm.Find(name)
		if !ok {
			return "", false, fmt.Errorf("there is no alarm %s", name)
		}
		v := condition.Evaluate(c.watch.sofar(), period)
		if v.State == alarm.Unreadable {
			return "", false, fmt.Errorf("alarm %s cannot be read from an embedded server", name)
		}
		if v.State != alarm.Firing {
			return "", false, nil
		}
		if len(condition.AnyOf) > 0 {
			return fmt.Sprintf("%s: %s", condition.Class, condition.Meaning), true, nil
		}
		return fmt.Sprintf("%s, %.3g, which is %s %.3g", condition.Class, v.Points[0].Value, compared[condition.Compare], condition.Threshold), true, nil
	}}
}

// compared are comparisons as people say them.
var compared = map[alarm.Comparison]string{alarm.Above: "above", alarm.AtLeast: "at least", alarm.Below: "below"}

// unwell is a part that /health/ready does not report as ok.
func unwell(part string) sign {
	return sign{"/health/ready, " + part, func(ctx context.Context, c *canteen) (string, bool, error) {
		p, err := c.watch.part(ctx, part)
		if err != nil || p.Status == health.OK {
			return "", false, err
		}
		return p.Detail, true, nil
	}}
}

// judged is a command that an operator runs every day; it exits with 1 when something is wrong.
func judged(command string) sign {
	return sign{command, func(ctx context.Context, c *canteen) (string, bool, error) {
		if _, err := (&runbook.Block{Commands: command, Exit: 1}).Run(ctx, c.dir, c.shell()); err == nil {
			return "ends with 1", true, nil
		}
		_, err := (&runbook.Block{Commands: command}).Run(ctx, c.dir, c.shell())
		return "", false, err
	}}
}

// listed is a command that prints a text while something is wrong.
func listed(command, text string) sign {
	return sign{command, func(ctx context.Context, c *canteen) (string, bool, error) {
		printed, err := (&runbook.Block{Commands: command}).Run(ctx, c.dir, c.shell())
		if err != nil || !strings.Contains(printed, text) {
			return "", false, err
		}
		return "names " + text, true, nil
	}}
}

// await waits until a sign is there, or until it is gone.
func (s *sign) await(ctx context.Context, c *canteen, there bool) (detail string, err error) {
	limited, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	var last error
	for {
		detail, is, err := s.look(limited, c)
		if err == nil && is == there {
			return detail, nil
		}
		if err != nil {
			last = err
		}
		if err := wait.For(limited, signPause); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	what := "does not show"
	if !there {
		what = "does not go away"
	}
	if last != nil {
		return "", fmt.Errorf("%s %s within %s: %w", s.what, what, signLimit, last)
	}
	return "", fmt.Errorf("%s %s within %s", s.what, what, signLimit)
}
