package logs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// slowBatch is the duration of a batch of events that makes lists late.
const slowBatch = time.Second

// The placeholders in the saved form of a question.
const (
	anyOperation = "CORRELATION-ID"
	anyID        = "ID"
)

// Question is a frequent query. The command line runs it on files and on CloudWatch Logs, and the stack has
// it among the saved queries of the console.
type Question struct {
	Name  string
	About string
	Show  []string // the fields to show
	sort  string   // of its saved form
	where func(Given) Filter
}

// Given holds the parameters of questions.
type Given struct {
	CorrelationID string
	ID            string        // of an aggregate
	Slow          time.Duration // longer operations are slow; 0 is observe.Slow
}

// The names of the questions that the command line has options for.
const (
	QuestionOperation = "operation"
	QuestionFailed    = "failed"
	QuestionSlow      = "slow"
)

const (
	newestFirst = "@timestamp desc"
	oldestFirst = "@timestamp asc"
)

// The messages at the end of an operation, with its duration.
var ends = []string{"request:end", "projection:batch", "archive:batch"}

// Questions returns all questions. One is about each kind of aggregate, and has its name.
func Questions() []Question {
	var all []Question
	for _, k := range event.Kinds() {
		all = append(all, aboutOne(k))
	}
	return slices.Concat(general(), all)
}

func aboutOne(k event.Kind) Question {
	return Question{
		Name: k.Name(), About: "What happened to one " + k.Name() + "?", sort: oldestFirst,
		Show: []string{observe.FieldFunction, messageField, observe.FieldCommandName, observe.FieldQueryName, observe.FieldEventType, observe.FieldVersion, observe.FieldProjection, observe.FieldResult, observe.FieldErrorClass, "error", observe.FieldCorrelationID},
		where: func(g Given) Filter {
			if g.ID == anyID {
				g.ID = strings.ToUpper(k.Name()) + "-ID"
			}
			return Any{is(k.Key, g.ID), is(observe.FieldStream, k.Stream(g.ID))}
		},
	}
}

func general() []Question {
	return []Question{
		{
			QuestionOperation, "What happened in one operation?",
			[]string{observe.FieldFunction, messageField, "method", "path", "status", observe.FieldCommandName, observe.FieldQueryName, observe.FieldStream, observe.FieldDurationMs, observe.FieldResult, observe.FieldErrorClass, "error"},
			oldestFirst,
			func(g Given) Filter { return is(observe.FieldCorrelationID, g.CorrelationID) },
		},
		{
			QuestionFailed, "Which commands failed, by class of error? Those of class domain were refused by the rules.",
			[]string{observe.FieldErrorClass, "code", observe.FieldCommandName, observe.FieldStream, observe.FieldCorrelationID, "error"},
			observe.FieldErrorClass + " asc, " + newestFirst,
			func(Given) Filter { return is(messageField, "command:failed") },
		},
		{
			QuestionSlow, "Which operations were slow?",
			[]string{observe.FieldDurationMs, observe.FieldFunction, messageField, "method", "path", "status", "events", observe.FieldCorrelationID},
			observe.FieldDurationMs + " desc",
			func(g Given) Filter {
				return All{is(messageField, ends...), atLeast{observe.FieldDurationMs, float64(g.Slow) / float64(time.Millisecond)}}
			},
		},
		{
			"payments", "What did the payment provider say, and when did it say nothing?",
			[]string{messageField, "call", "paymentId", "status", "code", observe.FieldDurationMs, observe.FieldResult, observe.FieldErrorClass, "error", observe.FieldCorrelationID},
			newestFirst,
			func(Given) Filter { return is(messageField, "payment:success", "payment:failed") },
		},
		{
			"lag", "What makes the lists late?",
			[]string{messageField, observe.FieldDurationMs, "records", "events", "failedStreams", observe.FieldStream, observe.FieldResult, observe.FieldErrorClass, "error"},
			newestFirst,
			func(Given) Filter {
				return Any{
					is(messageField, "projection:delayed", "projection:failed", "projection:gap", "projection:heal"),
					All{is(messageField, "projection:batch"), Any{is(observe.FieldResult, observe.ResultNG), atLeast{observe.FieldDurationMs, float64(slowBatch.Milliseconds())}}},
				}
			},
		},
		{
			"cold-starts", "Which operations had to wait for a cold start?",
			[]string{observe.FieldFunction, messageField, observe.FieldDurationMs, "method", "path", "function_request_id"},
			newestFirst,
			func(Given) Filter {
				return All{isTrue{"cold_start"}, Any{is(messageField, ends...), beginsWith{messageField, "reproject:"}}}
			},
		},
		{
			"rebuilds", "What did rebuilds do, and why did they fail?",
			[]string{messageField, "runId", observe.FieldProjection, "part", observe.FieldDurationMs, observe.FieldResult, observe.FieldErrorClass, "error"},
			newestFirst,
			func(Given) Filter { return beginsWith{messageField, "reproject:"} },
		},
	}
}

// QuestionNamed returns a question by its name.
func QuestionNamed(name string) (Question, error) {
	var names []string
	for _, q := range Questions() {
		if q.Name == name {
			return q, nil
		}
		names = append(names, q.Name)
	}
	return Question{}, fmt.Errorf("there is no question %q: choose one of %s", name, strings.Join(names, ", "))
}

// AboutOne reports whether the question is about one aggregate, whose kind it is named after.
func (q Question) AboutOne() bool {
	return slices.ContainsFunc(event.Kinds(), func(k event.Kind) bool { return k.Name() == q.Name })
}

// Filter returns the filter of the question with parameters.
func (q Question) Filter(g Given) (Filter, error) {
	switch {
	case q.Name == QuestionOperation && g.CorrelationID == "":
		return nil, fmt.Errorf("the question %s needs the operation's correlation id", q.Name)
	case q.AboutOne() && g.ID == "":
		return nil, fmt.Errorf("the question %s needs the %[1]s's id", q.Name)
	}
	if g.Slow == 0 {
		g.Slow = observe.Slow
	}
	return q.where(g), nil
}

// Saved returns the question as a saved query of Logs Insights, with placeholders for ids.
func (q Question) Saved() string {
	filter := q.where(Given{CorrelationID: anyOperation, ID: anyID, Slow: observe.Slow})
	return "fields @timestamp, " + strings.Join(q.Show, ", ") +
		"\n| filter " + filter.String() +
		"\n| sort " + q.sort +
		"\n| limit 1000"
}
