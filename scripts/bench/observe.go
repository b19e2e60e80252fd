package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
	"gakushoku/internal/rehearse/loadgen"
)

// The acceptable cost of observability.
const (
	aimCommandCost = 1.05 // of the time of a command, at the median
	aimReplayCost  = 1.03 // of the time of a replay
)

// runObserve measures the cost of metrics and traces: commands of the embedded system with and without them,
// in turns, and bulk replays likewise. Log lines are created in all variants, and discarded. Spans reach the
// exporter, which discards them; sending them is not measured.
func runObserve(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("observe", flag.ContinueOnError)
	commands := flags.Int("commands", 3000, "orders that each variant places and pays")
	events := flags.Int("events", 1_000_000, "size of the log that is replayed")
	rounds := flags.Int("rounds", 7, "replays of each variant; the one that took least counts")
	bin := flags.String("bin", "", "the gakushoku that fills the folder; built from the source when empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *commands < observeBlock || *events < 1 || *rounds < 1 {
		return fmt.Errorf("-commands has to be %d or more, -events and -rounds at least 1", observeBlock)
	}
	variants, err := observers(ctx)
	if err != nil {
		return err
	}
	defer closeObservers(ctx, variants)
	if err := observeCommands(ctx, variants, *commands, r); err != nil {
		return err
	}
	return observeReplays(ctx, variants, *bin, *events, *rounds, r)
}

// observer is one variant of observability.
type observer struct {
	name string
	sent *telemetry.Telemetry
}

func observers(ctx context.Context) ([]observer, error) {
	variants := []observer{{name: "nothing"}}
	for _, v := range []struct {
		name        string
		environment map[string]string
		kept        sdktrace.SpanExporter
	}{
		{"metrics", map[string]string{"OTEL_METRICS_EXPORTER": "memory"}, nil},
		{"metrics, slow and failed traces", map[string]string{"OTEL_METRICS_EXPORTER": "memory"}, discard{}}, // the default of a server
		{"metrics, 1 % of traces", map[string]string{"OTEL_METRICS_EXPORTER": "memory", "OTEL_TRACES_EXPORTER": "discard", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}, nil},
		{"metrics, all traces", map[string]string{"OTEL_METRICS_EXPORTER": "memory", "OTEL_TRACES_EXPORTER": "discard"}, nil},
	} {
		sent, err := telemetry.Open(ctx, telemetry.Options{
			Function: "bench", Getenv: func(name string) string { return v.environment[name] }, Out: io.Discard, Logger: zerolog.Nop(), Kept: v.kept,
			More: telemetry.SpanExporters{"discard": func(context.Context) (sdktrace.SpanExporter, error) { return discard{}, nil }},
			Metrics: telemetry.MetricReaders{"memory": func(context.Context) (sdkmetric.Reader, error) {
				return sdkmetric.NewManualReader(), nil
			}},
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
		variants = append(variants, observer{v.name, sent})
	}
	return variants, nil
}

func closeObservers(ctx context.Context, variants []observer) {
	for _, v := range variants {
		v.sent.Close(ctx) //nolint:errcheck // what is left in memory is not needed
	}
}

// discard is an exporter that drops all spans.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

// observeBlock is how many orders one variant processes before the next variant's turn.
const observeBlock = 25

// observeCommands places and pays orders through the entrance of the embedded system, all variants on one
// data folder. It calls the handler directly: over a connection the relative cost would be smaller.
func observeCommands(ctx context.Context, variants []observer, orders int, r *report) error {
	dir, err := os.MkdirTemp("", "gakushoku-observe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	folder, err := embedded.OpenFolder(ctx, filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	defer folder.Close()
	handlers := make([]http.Handler, len(variants))
	for i, v := range variants {
		handlers[i], err = httpapi.New(httpapi.Config{
			Commands: folder.Commands(), Queries: folder.Queries(), Health: folder.Health(),
			Logger: observe.NewLogger(io.Discard, zerolog.InfoLevel, "server"), Metrics: v.sent.Metrics(), Tracer: v.sent.Tracer(),
		})
		if err != nil {
			return err
		}
	}
	times := make([][]float64, len(variants))
	for block := range orders/observeBlock + 1 {
		for turn := range variants {
			i := (block + turn) % len(variants) // no variant is always the first
			for n := range observeBlock {
				took, err := orderAndPay(ctx, handlers[i], fmt.Sprintf("o%d-%d-%d", i, block, n))
				if err != nil {
					return fmt.Errorf("%s: %w", variants[i].name, err)
				}
				if block > 0 { // the first block warms up
					times[i] = append(times[i], took...)
				}
			}
		}
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "observed\tcommands\tp50 ms\tp95 ms\tcost at p50\t")
	for i, v := range variants {
		p50, bare := loadgen.Percentile(times[i], 50), loadgen.Percentile(times[0], 50)
		fmt.Fprintf(table, "%s\t%d\t%.3f\t%.3f\t%s\t\n", v.name, len(times[i]), p50, loadgen.Percentile(times[i], 95), cost(p50, bare))
		if i > 0 {
			r.add(figure{what: "a command, observed: " + v.name, ours: p50, unit: "ms", baseline: "nothing", theirs: bare, aim: atMost(aimCommandCost)})
		}
	}
	return table.Flush()
}

// cost returns the additional time in percent.
func cost(observed, bare float64) string { return fmt.Sprintf("%+.1f %%", (observed/bare-1)*100) }

// orderAndPay returns the times of two commands in milliseconds.
func orderAndPay(ctx context.Context, handler http.Handler, id string) ([]float64, error) {
	var took []float64
	for _, c := range []struct{ path, body string }{
		{"/orders", fmt.Sprintf(`{"orderId":%q,"total":780}`, id)}, {"/orders/" + id + "/pay", `{"paymentMethod":"CARD"}`},
	} {
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, c.path, strings.NewReader(c.body))
		request.Header.Set("Content-Type", "application/json")
		response := httptest.NewRecorder()
		started := time.Now()
		handler.ServeHTTP(response, request)
		took = append(took, time.Since(started).Seconds()*1000)
		if response.Code >= http.StatusMultipleChoices {
			return nil, fmt.Errorf("POST %s: status %d: %s", c.path, response.Code, response.Body)
		}
	}
	return took, nil
}

// observeReplays folds the same log repeatedly, without writing rows, which would hide the cost. It measures
// CPU time: the acceptable cost is smaller than the variation of wall-clock time between runs.
func observeReplays(ctx context.Context, variants []observer, bin string, events, rounds int, r *report) error {
	program, err := programToMeasure(ctx, bin)
	if err != nil {
		return err
	}
	dir, err := filledFolder(ctx, program, events)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	folder, err := embedded.OpenFolder(ctx, dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	times := make([][]float64, len(variants))
	for round := range rounds + 1 { // the first round archives the events, and warms up
		for turn := range variants {
			i := (round + turn) % len(variants)
			took, err := replayOnce(ctx, folder, variants[i], events)
			if err != nil {
				return fmt.Errorf("%s: %w", variants[i].name, err)
			}
			if round > 0 {
				times[i] = append(times[i], took.Seconds()*1000)
			}
		}
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "observed\treplay ms of processors\tevents/s of one\tcost\t")
	for i, v := range variants {
		ms, bare := slices.Min(times[i]), slices.Min(times[0])
		fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%s\t\n", v.name, ms, float64(events)/ms*1000, cost(ms, bare))
		if i > 0 {
			r.add(figure{what: "a replay, observed: " + v.name, ours: ms, unit: "ms of processors", baseline: "nothing", theirs: bare, aim: atMost(aimReplayCost)})
		}
	}
	return table.Flush()
}

// errOtherLog means that a replay did not fold the whole log.
var errOtherLog = errors.New("the replay has folded another number of events than there are")

func replayOnce(ctx context.Context, folder *embedded.Folder, v observer, events int) (time.Duration, error) {
	ctx = observe.WithLogger(ctx, observe.NewLogger(io.Discard, zerolog.InfoLevel, "rebuild"))
	ctx = observe.WithMetrics(observe.WithTracer(ctx, v.sent.Tracer()), v.sent.Metrics())
	started := ownTime()
	run, err := folder.Rebuild(ctx, rebuild.Request{Projection: "orders", DryRun: true}, operator.RebuildOptions{})
	took := ownTime() - started
	if err == nil && run.Replay.Applied != int64(events) {
		err = fmt.Errorf("%w: %d of %d", errOtherLog, run.Replay.Applied, events)
	}
	return took, err
}
