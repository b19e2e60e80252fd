package stack_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"gakushoku/internal/observe/spans"
	"gakushoku/internal/operate/timeline"
	"gakushoku/internal/store/insights"
)

// lines stands for CloudWatch Logs: it answers the same lines to every query.
type lines struct {
	answer []string
	err    error
	asked  *[]asked
}

type asked struct {
	query    string
	from, to time.Time
}

func (l lines) Lines(_ context.Context, query string, from, to time.Time) ([]string, error) {
	*l.asked = append(*l.asked, asked{query, from, to})
	return l.answer, l.err
}

const (
	requestLine = `{"message":"request:end","method":"POST","path":"/orders","status":201,"result":"OK","durationMs":30,"correlationId":"c1","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"a","timestamp":"2026-01-24T00:00:01.000Z"}`
	commandLine = `{"message":"command:success","commandName":"PlaceOrder","stream":"order-o1","result":"OK","durationMs":20,"correlationId":"c1","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"b","timestamp":"2026-01-24T00:00:01.000Z"}`
)

func TestOperationsAreFoundInCloudWatch(t *testing.T) {
	t.Parallel()
	s, _ := newStack(t)
	var questions []asked
	s.host.Logs = lines{answer: []string{commandLine, requestLine}, asked: &questions}
	got, err := s.Timelines(100, time.Time{}).Operation(t.Context(), "c1")
	if err != nil || len(got.Entries) != 2 || got.Entries[0].Kind != timeline.KindRequest {
		t.Fatalf("%+v, %v", got, err)
	}
	got.Link(s.TraceURL())
	if want := "https://ap-northeast-1.console.aws.amazon.com/cloudwatch/home?region=ap-northeast-1#xray:traces/1-4bf92f35-77b34da6a3ce929d0e0e4736"; got.Traces[0].URL != want {
		t.Errorf("the trace is at %s", got.Traces[0].URL)
	}
	order, err := s.Timelines(100, time.Time{}).Stream(t.Context(), "order-o1")
	if err != nil || len(order.Operations) != 2 || order.Operations[1].CorrelationID != "c1" {
		t.Errorf("%+v, %v", order, err)
	}
	for i, part := range []string{`correlationId = "c1"`, `@message like "order-o1"`} {
		if q := questions[i]; !strings.Contains(q.query, part) || q.to.Sub(q.from) != 24*time.Hour {
			t.Errorf("%+v has no %s", q, part)
		}
	}
	s.host.Logs = lines{err: insights.ErrNoLogs, asked: &questions}
	if _, err := s.Timelines(100, time.Time{}).Operation(t.Context(), "c1"); !errors.Is(err, insights.ErrNoLogs) {
		t.Errorf("got %v", err)
	}
}

// An id that was made here says when; otherwise the operator may.
func TestLinesAreSearchedFromTheOperationsTime(t *testing.T) {
	t.Parallel()
	s, _ := newStack(t)
	var questions []asked
	s.host.Logs = lines{answer: []string{requestLine}, asked: &questions}
	at, since := time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var id ulid.ULID
	if err := id.SetTime(ulid.Timestamp(at)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		id          string
		since, want time.Time
	}{{id.String(), time.Time{}, at.Add(-5 * time.Minute)}, {id.String(), since, since}, {"c1", since, since}} {
		if _, err := s.Timelines(1, test.since).Operation(t.Context(), test.id); err != nil && !errors.Is(err, timeline.ErrUnknown) {
			t.Fatal(err)
		}
		if got := questions[len(questions)-1].from; !got.Equal(test.want) {
			t.Errorf("%s since %s: looked from %s", test.id, test.since, got)
		}
	}
}

func TestTheSlowestOfAStack(t *testing.T) {
	t.Parallel()
	s, _ := newStack(t)
	var questions []asked
	s.host.Logs = lines{answer: []string{commandLine, "REPORT RequestId", requestLine, strings.ReplaceAll(requestLine, "2026-01-24", "2026-01-23")}, asked: &questions}
	since := time.Date(2026, 1, 24, 0, 0, 0, 0, time.UTC)
	got, source, err := s.Slowest(t.Context(), since, 5)
	if err != nil || source != spans.FromLog || len(got) != 1 || got[0].Name != "POST /orders" || got[0].OwnMs != 10 || len(got[0].Children) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if q := questions[0]; !q.from.Equal(since) || !strings.Contains(q.query, "sort durationMs desc") {
		t.Errorf("%+v", q)
	}
}
