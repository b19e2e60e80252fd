package alarm

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"gakushoku/internal/operate/scrape"
)

// Scrape holds the metrics of a server at a time.
type Scrape struct {
	At      time.Time
	Samples model.Vector // nil if the server did not respond
}

// State is the state of a condition.
type State string

// The states.
const (
	OK         State = "OK"
	Firing     State = "firing"
	Unreadable State = "unreadable" // an embedded server has no metrics for it
)

// Verdict is the state of a condition with the reasons.
type Verdict struct {
	State  State
	Points []Point // newest first; for AnyOf, those of the first condition that fires
}

// Point is the value of one period.
type Point struct {
	From, To  time.Time
	Value     float64
	Missing   bool // there were no data
	Breaching bool
}

// Evaluate evaluates the condition as CloudWatch does, looking back from the last scrape. The scrapes are
// in order of time. If period is 0, the condition's own is used; drills use shorter ones.
func (c *Condition) Evaluate(scrapes []Scrape, period time.Duration) Verdict {
	if len(c.AnyOf) > 0 {
		return c.evaluateAny(scrapes, period)
	}
	if !c.Embedded() {
		return Verdict{State: Unreadable}
	}
	if period <= 0 {
		period = c.Period
	}
	v := Verdict{State: OK}
	if len(scrapes) == 0 {
		return v
	}
	to, breaching := scrapes[len(scrapes)-1].At, 0
	for range c.Periods {
		p := c.point(scrapes, to.Add(-period), to)
		if p.Breaching {
			breaching++
		}
		v.Points = append(v.Points, p)
		to = to.Add(-period)
	}
	if breaching >= c.Datapoints {
		v.State = Firing
	}
	return v
}

// evaluateAny evaluates a condition with AnyOf.
func (c *Condition) evaluateAny(scrapes []Scrape, period time.Duration) Verdict {
	all := Verdict{State: OK}
	for _, name := range c.AnyOf {
		part, _ := Find(name)
		if v := part.Evaluate(scrapes, period); v.State == Firing {
			return v
		}
	}
	return all
}

func (c *Condition) point(scrapes []Scrape, from, to time.Time) Point {
	p := Point{From: from, To: to}
	var ok bool
	if p.Value, ok = c.Value.read(window(scrapes, from, to)); !ok {
		p.Value, p.Missing, p.Breaching = 0, true, c.Missing == Breaching
		return p
	}
	switch c.Compare {
	case Above:
		p.Breaching = p.Value > c.Threshold
	case AtLeast:
		p.Breaching = p.Value >= c.Threshold
	case Below:
		p.Breaching = p.Value < c.Threshold
	}
	return p
}

// span is a period: the samples at its start and at its end, nil where there are none, and whether the
// server responded to the last scrape.
type span struct {
	before, after model.Vector
	asked, up     bool
}

func window(scrapes []Scrape, from, to time.Time) span {
	var s span
	for _, scrape := range scrapes {
		switch {
		case !scrape.At.After(from):
			if scrape.Samples != nil {
				s.before = scrape.Samples
			}
		case !scrape.At.After(to):
			s.asked, s.up = true, scrape.Samples != nil
			if s.up {
				s.after = scrape.Samples
			}
		}
	}
	return s
}

// read returns the value in a period, false if there are no data.
func (v Value) read(s span) (float64, bool) {
	values, known := make([]float64, len(v.Terms)), make([]bool, len(v.Terms))
	for i, t := range v.Terms {
		values[i], known[i] = t.Series.read(s)
	}
	last := len(values) - 1
	if !known[last] {
		return 0, false
	}
	parts := 0.0
	for _, value := range values[:last] {
		parts += value
	}
	switch v.Form {
	case Sum:
		return parts + values[last], true
	case Share:
		return parts / values[last], values[last] > 0
	case Stalled:
		if values[last] > 0 && parts == 0 {
			return 1, true
		}
		return 0, true
	}
	return values[last], true
}

func (r Series) read(s span) (float64, bool) {
	if r.Read == Up {
		if s.up {
			return 1, s.asked
		}
		return 0, s.asked
	}
	if r.Read == Last {
		return r.last(s)
	}
	if s.before == nil || s.after == nil {
		return 0, false
	}
	if r.Read == Quantile {
		return scrape.Quantile(r.Quantile, r.increases(s, r.Name+"_bucket"))
	}
	total := 0.0
	for _, grown := range r.increases(s, r.Name) {
		total += float64(grown.Value)
	}
	return total, true
}

// last returns the sum of gauges, false if none is set.
func (r Series) last(s span) (float64, bool) {
	total, known := 0.0, false
	for _, sample := range scrape.Named(s.after, r.Name) {
		if r.matches(sample) {
			total, known = total+float64(sample.Value), true
		}
	}
	return total, known
}

// increases returns the increases of the matching counters of a name.
func (r Series) increases(s span, name string) model.Vector {
	return slices.DeleteFunc(scrape.Increases(s.before, s.after, name), func(grown *model.Sample) bool { return !r.matches(grown) })
}

func (r Series) matches(s *model.Sample) bool {
	for name, pattern := range r.Where {
		if !pattern.MatchString(string(s.Metric[model.LabelName(name)])) {
			return false
		}
	}
	return true
}
