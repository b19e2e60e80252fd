package logs

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	_ "gakushoku/internal/canteen" // its kinds of aggregates, each of which has a question
)

// The lines that queries are put to: of every message that a question names, and others.
var asked = []string{
	`{"level":"info","correlationId":"c1","method":"POST","path":"/orders","timestamp":"2026-01-24T00:00:01.000Z","message":"request:start"}`,
	`{"level":"info","correlationId":"c1","orderId":"o1","commandName":"PayOrder","stream":"order-o1","durationMs":12.5,"result":"OK","timestamp":"2026-01-24T00:00:01.010Z","message":"command:success"}`,
	`{"level":"info","correlationId":"c1","status":200,"durationMs":199.999,"result":"OK","cold_start":true,"timestamp":"2026-01-24T00:00:01.020Z","message":"request:end"}`,
	`{"level":"warn","correlationId":"c2","orderId":"o1","commandName":"PayOrder","stream":"order-o1","code":"order/paid","durationMs":1,"result":"NG","errorClass":"domain","timestamp":"2026-01-24T00:00:02.000Z","message":"command:failed"}`,
	`{"level":"error","correlationId":"c3","orderId":"o10","commandName":"PayOrder","stream":"order-o10","durationMs":300,"result":"NG","errorClass":"infra","error":"the disk is \"full\"","timestamp":"2026-01-24T00:00:03.000Z","message":"command:failed"}`,
	`{"level":"error","correlationId":"c3","status":503,"durationMs":200,"result":"NG","cold_start":false,"timestamp":"2026-01-24T00:00:03.010Z","message":"request:end"}`,
	`goroutine 1 [running]: c3`,
	`goroutine 2 [running]: nobody's`,
	`{"level":"info","records":10,"events":10,"failedStreams":0,"durationMs":1000,"result":"OK","cold_start":false,"timestamp":"2026-01-24T00:00:04.000Z","message":"projection:batch"}`,
	`{"level":"info","records":10,"events":10,"failedStreams":1,"durationMs":10,"result":"NG","cold_start":true,"timestamp":"2026-01-24T00:00:04.100Z","message":"projection:batch"}`,
	`{"level":"info","records":10,"events":10,"failedStreams":0,"durationMs":10,"result":"OK","cold_start":false,"timestamp":"2026-01-24T00:00:04.200Z","message":"projection:batch"}`,
	`{"level":"error","stream":"order-o1","errorClass":"infra","error":"throttled","timestamp":"2026-01-24T00:00:04.300Z","message":"projection:failed"}`,
	`{"level":"info","correlationId":"c1","projection":"orders v1","stream":"order-o1","version":2,"timestamp":"2026-01-24T00:00:04.400Z","message":"projection:gap"}`,
	`{"level":"info","runId":"r1","projection":"orders v2","part":"p1","durationMs":70,"result":"OK","cold_start":true,"timestamp":"2026-01-24T00:00:05.000Z","message":"reproject:part"}`,
	`{"level":"error","runId":"r1","projection":"orders v2","durationMs":5,"result":"NG","errorClass":"bug","error":"カツカレー C:\\x","timestamp":"2026-01-24T00:00:06.000Z","message":"reproject:verify"}`,
	`{"level":"debug","correlationId":"c1","orderId":"o1","timestamp":"2026-01-24T00:00:07.000Z","message":"projection:apply"}`,
	`{"level":"info","correlationId":"c1","orderId":"o1","call":"capture","paymentId":"p1","status":"CAPTURED","durationMs":12,"result":"OK","timestamp":"2026-01-24T00:00:08.000Z","message":"payment:success"}`,
	`{"level":"warn","correlationId":"c1","orderId":"o1","call":"capture","paymentId":"p2","durationMs":1,"result":"NG","errorClass":"infra","error":"it answered 503","timestamp":"2026-01-24T00:00:09.000Z","message":"payment:failed"}`,
	`{"level":"warn","correlationId":"c1","orderId":"o1","call":"void","paymentId":"p2","durationMs":1,"result":"NG","errorClass":"infra","error":"it answered 503","timestamp":"2026-01-24T00:00:09.100Z","message":"payment:failed"}`,
	`{"level":"warn","correlationId":"c1","orderId":"o1","call":"lookup","paymentId":"p2","durationMs":1,"result":"NG","errorClass":"infra","error":"it answered 503","timestamp":"2026-01-24T00:00:09.200Z","message":"payment:failed"}`,
}

func TestFilesAndLogsInsightsGiveTheSameLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gakushoku.log")
	write(t, path, asked...)
	queries := []Query{
		{}, {CorrelationID: "c1"}, {CorrelationID: "c3"}, {CorrelationID: "c"}, {Level: "warn"}, {Level: "trace"}, {Level: "error", CorrelationID: "c3"},
		{Text: `"full"`}, {Text: "カツカレー"}, {Text: `C:\x`}, {Text: "order-o1", Level: "warn"},
	}
	for _, q := range Questions() {
		for _, given := range []Given{{CorrelationID: "c1", ID: "o1"}, {CorrelationID: "c3", ID: "o10", Slow: 12500 * time.Microsecond}} {
			f, err := q.Filter(given)
			if err != nil {
				t.Fatal(err)
			}
			queries = append(queries, Query{Filter: f}, Query{Filter: f, Level: "warn"}, Query{Filter: f, CorrelationID: "c1"}, Query{Filter: f, Text: "NG"})
		}
	}
	found := 0
	for _, q := range queries {
		text, err := q.Insights(100)
		if err != nil {
			t.Fatal(err)
		}
		want, got := search(t, path, q, 0), evaluate(t, text, asked)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\nfiles (-) and Logs Insights (+) differ:\n%s", text, diff)
		}
		found += len(want)
	}
	if found < len(queries) {
		t.Errorf("%d queries find only %d lines: the test tests nothing", len(queries), found)
	}
}

func TestQuestionsFind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gakushoku.log")
	write(t, path, asked...)
	for name, want := range map[string][]int{
		"operation": {0, 1, 2, 12, 15, 16, 17, 18, 19}, "failed": {3, 4}, "slow": {5, 8}, "order": {1, 3, 11, 12, 15, 16, 17, 18, 19},
		"lag": {8, 9, 11, 12}, "cold-starts": {2, 9, 13}, "rebuilds": {13, 14}, "payments": {16, 17, 18, 19},
	} {
		q, err := QuestionNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := q.Filter(Given{CorrelationID: "c1", ID: "o1"})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, i := range want {
			lines = append(lines, asked[i])
		}
		if diff := cmp.Diff(lines, search(t, path, Query{Filter: f}, 0)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAQuestionNeedsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	for _, name := range []string{QuestionOperation, "order"} {
		q, err := QuestionNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := q.Filter(Given{}); err == nil {
			t.Errorf("%s: %s", name, f)
		}
	}
	if _, err := QuestionNamed("why"); err == nil || !strings.Contains(err.Error(), "cold-starts") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsAskedForCannotEndTheExpression(t *testing.T) {
	t.Parallel()
	q, _ := QuestionNamed("order")
	f, err := q.Filter(Given{ID: `x" or orderId like /./ or "\`})
	if want := `orderId = "x\" or orderId like /./ or \"\\" or stream = "order-x\" or orderId like /./ or \"\\"`; err != nil || f.String() != want {
		t.Errorf("%s, %v", f, err)
	}
}

// evaluate is the part of Logs Insights that our queries use, by its documentation: fields of
// JSON lines, of which true is 1; =, in, >=, like with a text or an expression, ispresent, not,
// and, or. It gives the lines oldest first.
func evaluate(t *testing.T, query string, lines []string) []string {
	t.Helper()
	var found []string
	for _, line := range lines {
		fields := map[string]any{}
		if json.Unmarshal([]byte(line), &fields) != nil {
			fields = map[string]any{}
		}
		fields["@message"] = line
		passes := true
		for part := range strings.SplitSeq(query, "\n") {
			if filter, ok := strings.CutPrefix(part, "| filter "); ok {
				e := &expression{t: t, rest: filter, fields: fields}
				passes = e.or() && passes
				if e.peek() != "" {
					t.Fatalf("%s: nothing should come after %s", filter, e.rest)
				}
			}
		}
		if passes {
			found = append(found, line)
		}
	}
	return found
}

type expression struct {
	t      *testing.T
	rest   string
	fields map[string]any
}

var token = regexp.MustCompile(`^\s*("(?:[^"\\]|\\.)*"|/[^/]*/|>=|[=()\[\],]|[@\w.]+)`)

func (e *expression) peek() string {
	if found := token.FindStringSubmatch(e.rest); found != nil {
		return found[1]
	}
	return strings.TrimSpace(e.rest)
}

func (e *expression) next() string {
	word := e.peek()
	e.rest = strings.TrimPrefix(strings.TrimLeft(e.rest, " "), word)
	return word
}

func (e *expression) expect(word string) {
	if got := e.next(); got != word {
		e.t.Fatalf("%q where %q should be, before %q", got, word, e.rest)
	}
}

func (e *expression) or() bool {
	yes := e.and()
	for e.peek() == "or" {
		e.next()
		yes = e.and() || yes
	}
	return yes
}

func (e *expression) and() bool {
	yes := e.not()
	for e.peek() == "and" {
		e.next()
		yes = e.not() && yes
	}
	return yes
}

func (e *expression) not() bool {
	switch word := e.next(); word {
	case "not":
		return !e.not()
	case "(":
		yes := e.or()
		e.expect(")")
		return yes
	case "ispresent":
		e.expect("(")
		_, there := e.fields[e.next()]
		e.expect(")")
		return there
	default:
		return e.compare(e.text(word), word)
	}
}

// text is a field as Logs Insights has it.
func (e *expression) text(field string) string {
	switch v := e.fields[field].(type) {
	case bool:
		return map[bool]string{true: "1", false: "0"}[v]
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		return v
	}
	return ""
}

func (e *expression) compare(value, field string) bool {
	_, there := e.fields[field]
	switch operator := e.next(); operator {
	case "=":
		return e.operand() == value && there
	case "in":
		var all []string
		for e.expect("["); ; {
			all = append(all, e.operand())
			if e.next() == "]" {
				return slices.Contains(all, value) && there
			}
		}
	case ">=":
		least, err := strconv.ParseFloat(e.operand(), 64)
		if err != nil {
			e.t.Fatal(err)
		}
		n, err := strconv.ParseFloat(value, 64)
		return err == nil && n >= least
	case "like":
		if pattern := e.peek(); strings.HasPrefix(pattern, "/") {
			e.next()
			return regexp.MustCompile(strings.Trim(pattern, "/")).MatchString(value)
		}
		return strings.Contains(value, e.operand())
	default:
		e.t.Fatalf("operator %q", operator)
		return false
	}
}

// operand is a text in quotes, or a number.
func (e *expression) operand() string {
	word := e.next()
	if strings.HasPrefix(word, `"`) {
		return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(word[1 : len(word)-1])
	}
	return word
}
