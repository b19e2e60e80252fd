package observe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

func TestEveryLineOfAnOperationCarriesItsContext(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx := observe.WithLogger(t.Context(), observe.NewLogger(&out, zerolog.InfoLevel, "command"))
	ctx = observe.WithCorrelationID(ctx, "c1")
	headers := http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	ctx = observe.WithField(startRemote(ctx, headers), "orderId", "o1")
	observe.Logger(ctx).Info().Msg("command:start")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"level": "info", "message": "command:start", "service": "gakushoku", "function": "command",
		"correlationId": "c1", "orderId": "o1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
	} {
		if line[field] != want {
			t.Errorf("%s is %v, want %s", field, line[field], want)
		}
	}
	span, _ := line["span_id"].(string)
	if len(span) != 16 || span == "00f067aa0ba902b7" {
		t.Errorf("span_id is %q, want one of our own", span)
	}
	if got := observe.Traceparent(ctx); got != "00-4bf92f3577b34da6a3ce929d0e0e4736-"+span+"-01" {
		t.Errorf("the traceparent that goes on is %q", got)
	}
	if observe.CorrelationID(ctx) != "c1" {
		t.Error("the correlation id is lost")
	}
}

func TestATraceStartsHereWhenTheCallerBringsNone(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"", "garbage", "00-00000000000000000000000000000000-0000000000000000-00"} {
		ctx := startRemote(t.Context(), http.Header{"Traceparent": {header}})
		if got := observe.Traceparent(ctx); len(got) != 55 || strings.Contains(got, strings.Repeat("0", 32)) {
			t.Errorf("%q: the traceparent is %q", header, got)
		}
	}
}

func TestValidCorrelationID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"c1": true, "01K.a_b:c-D": true, strings.Repeat("x", 128): true,
		"": false, strings.Repeat("x", 129): false, "a b": false, "a\nb": false, "a\x00": false, "é": false, `a"b`: false,
	} {
		if got := observe.ValidCorrelationID(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
}

func startRemote(ctx context.Context, headers http.Header) context.Context {
	ctx, _ = observe.StartRemote(ctx, headers, "test", observe.Server)
	return ctx
}
