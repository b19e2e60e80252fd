package lambdas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

// metricLines are the lines of metrics in a log.
func metricLines(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var found []map[string]any
	for l := range strings.Lines(log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(l), &line); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		if line["message"] == "metrics" {
			found = append(found, line)
		}
	}
	log.Reset()
	return found
}

func TestEachInvocationWritesItsMetrics(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	sent, err := openTelemetry(t.Context(), "projector", Environment("METRICS_NAMESPACE", "gakushoku/canteen", "OTEL_SERVICE_NAME", "lunch"), &log, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	handler := Observed(sent, func(ctx context.Context, what string) (string, error) {
		observe.MetricsOf(ctx).Healed(ctx, "orders", 1)
		switch what {
		case "fail":
			return "", errors.New("no")
		case "panic":
			panic("no")
		}
		return what, nil
	})
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r1"})
	for i, what := range []string{"well", "fail", "panic"} {
		func() {
			defer func() {
				if recovered := recover(); (recovered != nil) != (what == "panic") {
					t.Error(recovered)
				}
			}()
			if out, err := handler(ctx, what); (err != nil) != (what == "fail") || (out == what) != (what == "well") {
				t.Error(out, err)
			}
		}()
		lines := metricLines(t, &log)
		if len(lines) != 1 {
			t.Fatalf("%s: %v", what, lines)
		}
		l := lines[0]
		if l[observe.MetricHeals] != 1.0 || l["service"] != "lunch" || l["function"] != "projector" || l["function_request_id"] != "r1" {
			t.Errorf("%s: %v", what, l)
		}
		if cold, _ := l[observe.MetricColdStarts].(float64); (cold == 1) != (i == 0) {
			t.Errorf("%s: cold start %v", what, l)
		}
		directive := l["_aws"].(map[string]any)["CloudWatchMetrics"].([]any)[0].(map[string]any)
		if directive["Namespace"] != "gakushoku/canteen" {
			t.Errorf("%v", directive)
		}
	}
}

func TestMetricsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	for _, pairs := range [][]string{{"OTEL_METRICS_EXPORTER", "none"}, {"OTEL_SDK_DISABLED", "true"}} {
		var log bytes.Buffer
		sent, err := openTelemetry(t.Context(), "projector", Environment(pairs...), &log, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		handler := Observed(sent, func(ctx context.Context, in int) (int, error) {
			observe.MetricsOf(ctx).Healed(ctx, "orders", 1)
			return in, nil
		})
		if out, err := handler(t.Context(), 7); out != 7 || err != nil || log.Len() > 0 {
			t.Errorf("%v: %d %v %s", pairs, out, err, log.String())
		}
	}
}
