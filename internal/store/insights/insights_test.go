package insights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"
)

// reply is an answer of the service.
type reply struct {
	status int
	body   string
}

// service gives the replies to each operation in their order, the last one again and again.
type service struct {
	mu      sync.Mutex
	replies map[string][]reply
	calls   []string
	inputs  map[string]map[string]any // the last of each operation
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, _ := io.ReadAll(r.Body)
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "Logs_20140328.")
	var input map[string]any
	if json.Unmarshal(raw, &input) != nil || len(s.replies[operation]) == 0 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	s.calls = append(s.calls, operation)
	s.inputs[operation] = input
	all := s.replies[operation]
	if len(all) > 1 {
		s.replies[operation] = all[1:]
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(all[0].status)
	io.WriteString(w, all[0].body)
}

var (
	started   = reply{200, `{"queryId":"q1"}`}
	running   = reply{200, `{"status":"Running"}`}
	throttled = reply{400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`}
	stopped   = reply{200, `{"success":true}`}
)

func complete(lines ...string) reply {
	results := [][]map[string]string{}
	for _, line := range lines {
		results = append(results, []map[string]string{{"field": "@timestamp", "value": "2026-01-24 00:00:00.000"}, {"field": "@message", "value": line}, {"field": "@ptr", "value": "x"}})
	}
	raw, _ := json.Marshal(map[string]any{"status": "Complete", "results": results})
	return reply{200, string(raw)}
}

// logs are some whose service replies so, and who wait for nothing.
func logs(t *testing.T, replies map[string][]reply) (*Logs, *service) {
	t.Helper()
	s := &service{replies: replies, inputs: map[string]map[string]any{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client := cloudwatchlogs.New(cloudwatchlogs.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
	return &Logs{Client: client, Groups: []string{"/aws/lambda/canteen-command"}, wait: func(context.Context, time.Duration) error { return nil }}, s
}

var from, to = time.Unix(1_769_212_800, 0), time.Unix(1_769_216_400, 500)

func TestLinesComeOldestFirst(t *testing.T) {
	t.Parallel()
	l, s := logs(t, map[string][]reply{
		"StartQuery": {throttled, started}, "GetQueryResults": {{200, `{"status":"Scheduled"}`}, running, throttled, complete("newest\n", "oldest")},
	})
	lines, err := l.Lines(t.Context(), "fields @message", from, to)
	if diff := cmp.Diff([]string{"oldest", "newest"}, lines); err != nil || diff != "" {
		t.Error(err, diff)
	}
	want := map[string]any{
		"logGroupNames": []any{"/aws/lambda/canteen-command"}, "queryString": "fields @message", "limit": float64(10000),
		"startTime": float64(1_769_212_800), "endTime": float64(1_769_216_401),
	}
	if diff := cmp.Diff(want, s.inputs["StartQuery"]); diff != "" {
		t.Error(diff)
	}
	if id := s.inputs["GetQueryResults"]["queryId"]; id != "q1" {
		t.Errorf("the results of %v", id)
	}
}

// Lines of the same millisecond keep their order, and a service that does not sort is sorted after.
func TestLinesAreInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	row := func(at, line string) []types.ResultField {
		return []types.ResultField{{Field: aws.String("@timestamp"), Value: &at}, {Field: aws.String("@message"), Value: &line}}
	}
	got := oldestFirst([][]types.ResultField{row("2026-01-24 00:00:02.000", "c"), row("2026-01-24 00:00:01.000", "b"), row("2026-01-24 00:00:01.000", "a"), row("2026-01-24 00:00:03.000", "d")})
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAQueryThatFindsNothing(t *testing.T) {
	t.Parallel()
	l, _ := logs(t, map[string][]reply{"StartQuery": {started}, "GetQueryResults": {complete()}})
	if lines, err := l.Lines(t.Context(), "", from, to); err != nil || len(lines) != 0 {
		t.Errorf("%q, %v", lines, err)
	}
}

func TestAQueryThatFails(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"Failed", "Cancelled", "Timeout"} {
		l, _ := logs(t, map[string][]reply{"StartQuery": {started}, "GetQueryResults": {running, {200, fmt.Sprintf(`{"status":%q}`, status)}}})
		if _, err := l.Lines(t.Context(), "", from, to); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "q1 is "+status) {
			t.Errorf("%s: %v", status, err)
		}
	}
}

func TestWhatTheServiceRefuses(t *testing.T) {
	t.Parallel()
	l, _ := logs(t, map[string][]reply{"StartQuery": {{400, `{"__type":"ResourceNotFoundException","message":"canteen-command"}`}}})
	if _, err := l.Lines(t.Context(), "", from, to); !errors.Is(err, ErrNoLogs) {
		t.Errorf("logs that are not there: %v", err)
	}
	l, _ = logs(t, map[string][]reply{"StartQuery": {{400, `{"__type":"MalformedQueryException","message":"unexpected symbol"}`}}})
	if _, err := l.Lines(t.Context(), "", from, to); err == nil || !strings.Contains(err.Error(), "unexpected symbol") {
		t.Errorf("a malformed query: %v", err)
	}
	// A query whose results cannot be read is not left to go on.
	l, s := logs(t, map[string][]reply{"StartQuery": {started}, "GetQueryResults": {throttled}, "StopQuery": {stopped}})
	if _, err := l.Lines(t.Context(), "", from, to); err == nil || s.calls[len(s.calls)-1] != "StopQuery" || len(s.calls) != 5 {
		t.Errorf("throttled for ever: %v, calls %v", err, s.calls)
	}
}

func TestAQueryThatNobodyWaitsForIsStopped(t *testing.T) {
	t.Parallel()
	l, s := logs(t, map[string][]reply{
		"StartQuery": {started}, "GetQueryResults": {running}, "StopQuery": {{400, `{"__type":"InvalidParameterException","message":"it has ended"}`}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	l.wait = func(ctx context.Context, d time.Duration) error {
		if looks++; looks == 4 {
			cancel()
		}
		return ctx.Err()
	}
	if _, err := l.Lines(ctx, "", from, to); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "goes on") {
		t.Errorf("got %v", err)
	}
	if s.calls[len(s.calls)-1] != "StopQuery" || s.inputs["StopQuery"]["queryId"] != "q1" {
		t.Errorf("calls %v", s.calls)
	}
}

// endless is a service whose queries never end; it notes when it was asked.
type endless struct {
	asked   []time.Duration // after the start
	began   time.Time
	stopped bool
}

func (e *endless) StartQuery(context.Context, *cloudwatchlogs.StartQueryInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.StartQueryOutput, error) {
	e.began = time.Now()
	return &cloudwatchlogs.StartQueryOutput{}, nil
}

func (e *endless) GetQueryResults(context.Context, *cloudwatchlogs.GetQueryResultsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetQueryResultsOutput, error) {
	e.asked = append(e.asked, time.Since(e.began))
	return &cloudwatchlogs.GetQueryResultsOutput{Status: types.QueryStatusRunning}, nil
}

func (e *endless) StopQuery(context.Context, *cloudwatchlogs.StopQueryInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.StopQueryOutput, error) {
	e.stopped = true
	return &cloudwatchlogs.StopQueryOutput{}, nil
}

func TestAQueryIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &endless{}
		l := &Logs{Client: s, Patience: 20 * time.Second}
		if _, err := l.Lines(t.Context(), "", from, to); !s.stopped || err == nil || !strings.Contains(err.Error(), "--since") {
			t.Errorf("%v, stopped: %v", err, s.stopped)
		}
		want := []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond, 7500 * time.Millisecond, 12500 * time.Millisecond, 17500 * time.Millisecond}
		if diff := cmp.Diff(want, s.asked); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAsManyLinesAsThereCanBe(t *testing.T) {
	t.Parallel()
	all := make([]string, Limit)
	for i := range all {
		all[i] = fmt.Sprint(Limit - i)
	}
	l, _ := logs(t, map[string][]reply{"StartQuery": {started}, "GetQueryResults": {complete(all...)}})
	lines, err := l.Lines(t.Context(), "", from, to)
	if err != nil || len(lines) != Limit || lines[0] != "1" || lines[Limit-1] != fmt.Sprint(Limit) {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}
