package logs

import (
	"fmt"
	"strings"
)

// notJSON selects lines that are neither ours, which have a level, nor Lambda's about an invocation, which
// have a @type: those of a stack trace, for example.
const notJSON = "not ispresent(level) and not ispresent(@type)"

// Insights returns the query for CloudWatch Logs Insights that selects the newest of the lines that Search
// finds in the same log, at most limit, newest first. It does not contain the time range.
func (q Query) Insights(limit int) (string, error) {
	m, err := q.compile()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("fields @timestamp, @message")
	filter := func(expression string) { b.WriteString("\n| filter " + expression) }
	if q.Filter != nil {
		filter(q.Filter.String())
	}
	if id := q.CorrelationID; id != "" {
		filter(fmt.Sprintf("correlationId = %s or (%s and @message like %s)", literal(id), notJSON, literal(id)))
	}
	if m.levelNames != nil {
		names := make([]string, len(m.levelNames))
		for i, name := range m.levelNames {
			names[i] = string(name)
		}
		filter(fmt.Sprintf("level in [%s] or (%s)", strings.Join(names, ", "), notJSON))
	}
	if m.texts != nil {
		spelled := make([]string, len(m.texts))
		for i, text := range m.texts {
			spelled[i] = "@message like " + literal(string(text))
		}
		filter(strings.Join(spelled, " or "))
	}
	fmt.Fprintf(&b, "\n| sort @timestamp desc\n| limit %d", limit)
	return b.String(), nil
}
