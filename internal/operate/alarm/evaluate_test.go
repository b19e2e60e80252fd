package alarm_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
	"gakushoku/internal/operate/alarm"
	"gakushoku/internal/operate/scrape"
)

// server is the meters of an embedded server, scraped once a second of made time.
type server struct {
	t *testing.T
	*observe.Metrics
	text    func() string
	now     time.Time
	scrapes []alarm.Scrape
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, now: time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC)}
	s.restart()
	s.scrape()
	return s
}

// restart forgets what was counted.
func (s *server) restart() {
	s.t.Helper()
	s.Metrics, s.text = observetest.Metrics(s.t)
}

func (s *server) scrape() {
	s.t.Helper()
	samples, err := scrape.Parse(strings.NewReader(s.text()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.took(samples)
}

func (s *server) took(samples model.Vector) {
	s.scrapes = append(s.scrapes, alarm.Scrape{At: s.now, Samples: samples})
	s.now = s.now.Add(time.Second)
}

// seconds does something in each of n periods of a second.
func (s *server) seconds(n int, do func(context.Context)) *server {
	s.t.Helper()
	for range n {
		do(s.t.Context())
		s.scrape()
	}
	return s
}

func (s *server) want(name string, want alarm.State) alarm.Verdict {
	s.t.Helper()
	c, ok := alarm.Find(name)
	if !ok {
		s.t.Fatalf("there is no condition %s", name)
	}
	v := c.Evaluate(s.scrapes, time.Second)
	if v.State != want {
		s.t.Errorf("%s is %s, want %s: %+v", name, v.State, want, v.Points)
	}
	return v
}

func answer(s *server, times, status int, took time.Duration) {
	for range times {
		s.Request(s.t.Context(), "POST", "/orders", status, took, nil)
	}
}

func TestAHealthyServerFiresNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(20, func(ctx context.Context) {
		answer(s, 100, 201, 20*time.Millisecond)
		s.Command(ctx, "PlaceOrder", 10*time.Millisecond, 1, nil)
		s.Command(ctx, "PayOrder", 10*time.Millisecond, 0, refusal{})
		s.Projected(ctx, "orders", 30*time.Millisecond)
		s.Delivered(ctx, "orders", "applied")
		s.Archived(ctx, 7, time.Second)
	})
	for _, c := range alarm.All() {
		if v := c.Evaluate(s.scrapes, time.Second); v.State == alarm.Firing {
			t.Errorf("%s fires: %+v", c.Name, v.Points)
		}
		if v := c.Evaluate(s.scrapes, time.Second); (v.State == alarm.Unreadable) == c.Embedded() {
			t.Errorf("%s is %s", c.Name, v.State)
		}
	}
}

type refusal struct{}

func (refusal) Error() string      { return "the order is paid already" }
func (refusal) DomainCode() string { return "order/already-paid" }

func TestNothingIsKnownOfAServerThatWasNotAsked(t *testing.T) {
	t.Parallel()
	for _, c := range alarm.All() {
		for _, scrapes := range [][]alarm.Scrape{nil, {{At: time.Unix(0, 0), Samples: model.Vector{}}}} {
			if v := c.Evaluate(scrapes, 0); v.State == alarm.Firing {
				t.Errorf("%s fires: %+v", c.Name, v.Points)
			}
		}
	}
}

func TestRequestsThatFail(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(2, func(context.Context) { answer(s, 998, 201, 0); answer(s, 2, 503, 0) })
	if v := s.want("requests-failing", alarm.Firing); math.Abs(v.Points[0].Value-0.002) > 1e-9 || !v.Points[2].Missing {
		t.Errorf("%+v", v.Points)
	}
	s.want("canteen-down", alarm.OK)
	s.seconds(3, func(context.Context) { answer(s, 999, 404, 0) })
	s.want("requests-failing", alarm.OK) // the guests' mistakes are not ours
	s.seconds(2, func(context.Context) { answer(s, 1, 200, 0); answer(s, 2, 500, 0) })
	s.want("most-requests-fail", alarm.Firing)
	s.want("canteen-down", alarm.Firing)
}

// One bad period of three is not enough.
func TestOneFailedRequestAtNightWakesNobody(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(1, func(context.Context) { answer(s, 9, 200, 0) })
	s.seconds(1, func(context.Context) { answer(s, 9, 200, 0); answer(s, 1, 503, 0) })
	s.seconds(1, func(context.Context) { answer(s, 9, 200, 0) })
	s.want("requests-failing", alarm.OK)
}

func TestSlowRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(3, func(context.Context) {
		answer(s, 96, 200, 20*time.Millisecond)
		answer(s, 4, 200, 900*time.Millisecond)
	})
	s.want("requests-slow", alarm.OK)
	s.seconds(3, func(context.Context) {
		answer(s, 94, 200, 20*time.Millisecond)
		answer(s, 6, 200, 900*time.Millisecond)
	})
	if v := s.want("requests-slow", alarm.Firing); v.Points[0].Value <= 0.5 || v.Points[0].Value > 1 {
		t.Errorf("the percentile is %g", v.Points[0].Value)
	}
	// The target is a bound of the buckets: what is below it is not taken for what is above.
	s.seconds(3, func(context.Context) { answer(s, 100, 200, 190*time.Millisecond) })
	s.want("requests-slow", alarm.OK)
	// What was slow before does not count now.
	s.seconds(3, func(context.Context) { answer(s, 1, 200, 20*time.Millisecond) })
	s.want("requests-slow", alarm.OK)
}

func TestThePercentileIsReadAcrossRoutesAndBeyondTheLastBound(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(3, func(ctx context.Context) {
		for range 80 {
			s.Request(ctx, "GET", "/orders", 200, 75*time.Millisecond, nil) // between 0.05 and 0.1
		}
		for range 20 {
			s.Request(ctx, "POST", "/orders", 200, 220*time.Millisecond, nil) // between 0.2 and 0.25
		}
	})
	// 95 of 100 are 15 of the 20 between 0.2 and 0.25.
	if v := s.want("requests-slow", alarm.Firing); math.Abs(v.Points[0].Value-(0.2+0.05*15/20)) > 1e-9 {
		t.Errorf("the percentile is %g", v.Points[0].Value)
	}
	s.seconds(3, func(context.Context) { answer(s, 1, 200, time.Minute) })
	if v := s.want("requests-slow", alarm.Firing); !math.IsInf(v.Points[0].Value, 1) {
		t.Errorf("the percentile is %g", v.Points[0].Value)
	}
}

func TestCommandsThatFail(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(3, func(ctx context.Context) {
		s.Command(ctx, "PlaceOrder", 0, 1, nil)
		s.Command(ctx, "PayOrder", 0, 0, refusal{})
		s.Command(ctx, "PayOrder", 0, 0, fault.Unavailable(errors.New("the disk is full")))
		s.Command(ctx, "PayOrder", 0, 0, errors.New("a bug"))
		s.Command(ctx, "PayOrder", 0, 0, errors.New("a bug"))
	})
	if v := s.want("commands-failing", alarm.Firing); math.Abs(v.Points[0].Value-0.6) > 1e-9 {
		t.Errorf("%g fail", v.Points[0].Value)
	}
	s.want("canteen-down", alarm.Firing)
}

func TestCommandsThatLoseRaces(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(3, func(ctx context.Context) { s.Command(ctx, "PayOrder", 0, 1, nil); s.Conflict(ctx, "PayOrder") })
	s.want("commands-conflict", alarm.Firing)
}

func TestLateAndStandingStill(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(5, func(ctx context.Context) {
		s.Command(ctx, "PlaceOrder", 0, 1, nil)
		s.Projected(ctx, "orders", 3*time.Second)
		s.Delivered(ctx, "orders", "applied")
		s.Archived(ctx, 7, time.Second)
	})
	s.want("projection-lag", alarm.Firing)
	s.want("projection-not-advancing", alarm.OK)
	s.want("log-not-advancing", alarm.OK)
	s.seconds(5, func(ctx context.Context) { s.Command(ctx, "PlaceOrder", 0, 1, nil) })
	s.want("projection-lag", alarm.OK) // nothing was projected, and that is another condition
	s.want("projection-not-advancing", alarm.Firing)
	s.want("log-not-advancing", alarm.Firing)
	s.seconds(5, func(context.Context) {})
	s.want("projection-not-advancing", alarm.OK) // nobody orders
}

func TestParkedStreamsAndAFullMachine(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	used := observe.Vitals{CPU: 0.5, Memory: 0.5, Disk: 0.5}
	if err := s.Watch(func(context.Context) observe.Vitals { return used }); err != nil {
		t.Fatal(err)
	}
	names := []string{"streams-parked", "processors-busy", "memory-short", "disk-filling"}
	s.seconds(5, func(ctx context.Context) { s.Parked(ctx, "orders", 0) })
	for _, name := range names {
		s.want(name, alarm.OK)
	}
	used = observe.Vitals{CPU: 0.81, Memory: 0.91, Disk: 0.86}
	s.seconds(5, func(ctx context.Context) { s.Parked(ctx, "orders", 1) })
	for _, name := range names {
		if v := s.want(name, alarm.Firing); v.Points[0].Missing {
			t.Errorf("%s: %+v", name, v.Points)
		}
	}
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.took(nil)
	s.want("canteen-down", alarm.OK)
	s.took(nil)
	s.want("no-answer", alarm.Firing)
	s.want("canteen-down", alarm.Firing)
	s.want("requests-failing", alarm.OK)
	s.scrape()
	s.want("canteen-down", alarm.OK)
}

// After a restart counters begin at 0 again: what they say then has come since.
func TestCountersThatBeginAnew(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(2, func(context.Context) { answer(s, 1000, 503, 0) })
	s.restart()
	s.seconds(2, func(context.Context) { answer(s, 1000, 200, 0); answer(s, 4, 503, 0) })
	if v := s.want("requests-failing", alarm.Firing); math.Abs(v.Points[1].Value-4.0/1004) > 1e-9 {
		t.Errorf("%+v", v.Points)
	}
}

// A scrape that fails now and then, or comes late, hides nothing.
func TestScrapesThatAreMissing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(2, func(context.Context) { answer(s, 1, 503, 0) })
	s.took(nil)
	s.seconds(1, func(context.Context) { answer(s, 1, 503, 0) })
	v := s.want("requests-failing", alarm.Firing)
	if !v.Points[1].Missing || v.Points[0].Missing || v.Points[0].Value != 1 {
		t.Errorf("%+v", v.Points)
	}
}

func TestTheConditionsOwnPeriod(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.seconds(3, func(context.Context) { answer(s, 1, 503, 0) })
	c, _ := alarm.Find("requests-failing")
	if v := c.Evaluate(s.scrapes, 0); v.State != alarm.OK || len(v.Points) != 3 || v.Points[0].To.Sub(v.Points[2].From) != 15*time.Minute {
		t.Errorf("%+v", v)
	}
}
