package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A whole trace as the exporter console writes it: of each span its function, name, trace, id,
// the trace and id of its parent, an attribute, and the id of what it is linked to.
var wholeTrace = [][8]string{
	{"command", "POST /orders", "t1", "request", "t1", "caller", "correlation.id=c1", ""},
	{"command", "PlaceOrder", "t1", "command", "t1", "request", "", ""},
	{"command", "append", "t1", "append", "t1", "command", "", ""},
	{"command", "DynamoDB.PutItem", "t1", "put", "t1", "append", "aws.dynamodb.table_names=lunch-events", ""},
	{"projector", "process events", "t2", "batch", "t2", "invocation", "", "command"},
	{"projector", "project", "t2", "project", "t2", "batch", "", ""},
	{"projector", "DynamoDB.TransactWriteItems", "t2", "write", "t2", "project", "aws.dynamodb.table_names=lunch_view_orders-v1", ""},
	{"archiver", "archive segment", "t3", "segment", "", "", "", "command"},
	{"archiver", "S3.PutObject", "t3", "object", "t3", "segment", "aws.s3.bucket=lunch-log-1", ""},
}

func read(t *testing.T, lines [][8]string) spans {
	t.Helper()
	var all spans
	for _, l := range lines {
		key, value, _ := strings.Cut(l[6], "=")
		links := "null"
		if l[7] != "" {
			links = fmt.Sprintf(`[{"SpanContext":{"TraceID":"t1","SpanID":%q,"Remote":true}}]`, l[7])
		}
		s := span{function: l[0]}
		raw := fmt.Sprintf(`{"Name":%q,"SpanContext":{"TraceID":%q,"SpanID":%q},"Parent":{"TraceID":%q,"SpanID":%q,"Remote":true},"Attributes":[{"Key":%q,"Value":{"Type":"STRINGSLICE","Value":[%q]}}],"Links":%s}`,
			l[1], l[2], l[3], l[4], l[5], key, value, links)
		if key == "correlation.id" {
			raw = strings.ReplaceAll(raw, `["c1"]`, `"c1"`)
		}
		if err := json.Unmarshal([]byte(raw), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func TestATraceIsWholeWhenNothingOfItIsMissing(t *testing.T) {
	t.Parallel()
	c := &canteen{options: options{stack: "lunch"}}
	caller := spanContext{"t1", "caller"}
	if err := c.wantWhole(read(t, wholeTrace), caller, "c1"); err != nil {
		t.Error(err)
	}
	for i := range wholeTrace {
		for what, broken := range map[string][][8]string{
			"missing":           slices.Delete(slices.Clone(wholeTrace), i, i+1),
			"in another parent": other(i, 5),
			"about another":     other(i, 6),
			"without its link":  other(i, 7),
		} {
			if broken == nil {
				continue
			}
			if err := c.wantWhole(read(t, broken), caller, "c1"); err == nil || !strings.Contains(err.Error(), "there is no span of") {
				t.Errorf("%s is %s: %v", wholeTrace[i][1], what, err)
			}
		}
	}
}

// other is the whole trace with a field of a span changed, nil when the span has none.
func other(i, field int) [][8]string {
	if wholeTrace[i][field] == "" || wholeTrace[i][5] == "invocation" && field == 5 {
		return nil
	}
	changed := slices.Clone(wholeTrace)
	changed[i][field] = "other"
	return changed
}
