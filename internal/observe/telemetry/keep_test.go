package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
)

var noon = time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC)

// keeping is spans with a clock of their own, before a keeper whose sampler samples nothing.
type keeping struct {
	trace.Tracer
	recorder *tracetest.SpanRecorder // of what went on
}

func keep(head sdktrace.Sampler) *keeping {
	k := &keeping{recorder: tracetest.NewSpanRecorder()}
	k.Tracer = sdktrace.NewTracerProvider(
		sdktrace.WithSampler(telemetry.RecordAll(head)), sdktrace.WithSpanProcessor(telemetry.NewKeeper(k.recorder, 200*time.Millisecond)),
	).Tracer("test")
	return k
}

func (k *keeping) start(ctx context.Context, name string, ms int) (context.Context, trace.Span) {
	return k.Start(ctx, name, trace.WithTimestamp(noon.Add(time.Duration(ms)*time.Millisecond)))
}

func end(s trace.Span, ms int) {
	s.End(trace.WithTimestamp(noon.Add(time.Duration(ms) * time.Millisecond)))
}

// went are the spans that went on, with why a root did.
func (k *keeping) went() []string {
	var all []string
	for _, s := range k.recorder.Ended() {
		name := s.Name()
		for _, a := range s.Attributes() {
			if a.Key == observe.AttrKept {
				name += " " + a.Value.AsString()
			}
		}
		if !s.SpanContext().IsSampled() {
			name += " not marked as sampled"
		}
		all = append(all, name)
	}
	return all
}

func TestWhatFailedOrWasSlowIsKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		head sdktrace.Sampler
		took int
		err  error
		want []string
	}{
		"fast":                 {sdktrace.NeverSample(), 200, nil, nil},
		"slow":                 {sdktrace.NeverSample(), 201, nil, []string{"append", "PlaceOrder", "request slow"}},
		"the infrastructure":   {sdktrace.NeverSample(), 5, fault.Unavailable(errors.New("x")), []string{"append", "PlaceOrder", "request failed"}},
		"a bug":                {sdktrace.NeverSample(), 5, errors.New("x"), []string{"append", "PlaceOrder", "request failed"}},
		"the rules":            {sdktrace.NeverSample(), 5, refusal{}, nil},
		"sampled":              {sdktrace.AlwaysSample(), 5, nil, []string{"append", "PlaceOrder", "request"}},
		"sampled and refused":  {sdktrace.AlwaysSample(), 5, refusal{}, []string{"append", "PlaceOrder", "request"}},
		"sampled and slow":     {sdktrace.AlwaysSample(), 201, nil, []string{"append", "PlaceOrder", "request slow"}},
		"sampled and it fails": {sdktrace.AlwaysSample(), 201, errors.New("x"), []string{"append", "PlaceOrder", "request failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := keep(test.head)
			ctx, request := k.start(t.Context(), "request", 0)
			inner, command := k.start(ctx, "PlaceOrder", 1)
			_, store := k.start(inner, "append", 2)
			end(store, 3)
			end(command, 4)
			if len(k.went()) != 0 && test.head == sdktrace.NeverSample() {
				t.Errorf("%v did not wait for its root", k.went())
			}
			failed(request, test.err)
			end(request, test.took)
			if diff := cmp.Diff(test.want, k.went()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

type refusal struct{}

func (refusal) Error() string      { return "no" }
func (refusal) DomainCode() string { return "order/no" }

// failed notes an error on a span as package observe does.
func failed(span trace.Span, err error) {
	_, wrapped := observe.Start(observe.WithTracer(context.Background(), given{span: span}), "", observe.Internal)
	wrapped.Failed(err)
}

// given is a tracer that starts one span, which is there already.
type given struct {
	trace.Tracer
	span trace.Span
}

func (g given) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, g.span
}

func TestWhatIsSlowGoesOnBeforeItEnds(t *testing.T) {
	t.Parallel()
	k := keep(sdktrace.NeverSample())
	ctx, step := k.start(t.Context(), "step", 0)
	for i := range 3 {
		_, part := k.start(ctx, fmt.Sprintf("part %d", i), 150*i)
		end(part, 150*i+100)
	}
	if diff := cmp.Diff([]string{"part 0", "part 1", "part 2"}, k.went()); diff != "" {
		t.Error(diff)
	}
	end(step, 460)
	_, late := k.start(ctx, "after the root", 470)
	end(late, 480)
	if diff := cmp.Diff([]string{"part 0", "part 1", "part 2", "step slow"}, k.went()); diff != "" {
		t.Error(diff)
	}
}

func TestARemoteParentIsNoRootOfOurs(t *testing.T) {
	t.Parallel()
	k := keep(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	ctx := observe.WithTracer(t.Context(), k.Tracer)
	for _, parent := range []string{unsampled, sampled} {
		ctx, request := observe.StartRemote(ctx, http.Header{"Traceparent": {parent}}, "request "+parent[53:], observe.Server)
		_, command := observe.Start(ctx, "command", observe.Internal)
		if got := observe.Traceparent(ctx)[53:]; got != parent[53:] {
			t.Errorf("others hear %s of %s", got, parent)
		}
		command.End()
		request.Failed(errors.New("x")).End()
	}
	if diff := cmp.Diff([]string{"command", "request 00 failed", "command", "request 01 failed"}, k.went()); diff != "" {
		t.Error(diff)
	}
}

func TestAnAnswerThatIsAFailureIsKept(t *testing.T) {
	t.Parallel()
	k := keep(sdktrace.NeverSample())
	_, request := observe.Start(observe.WithTracer(t.Context(), k.Tracer), "request", observe.Server)
	request.Str(observe.AttrErrorClass, "503").End()
	if diff := cmp.Diff([]string{"request failed"}, k.went()); diff != "" {
		t.Error(diff)
	}
}

// TestMuchAtOnceIsBounded begins more than can be held. What has to go before it ends is kept
// itself when it fails.
func TestMuchAtOnceIsBounded(t *testing.T) {
	t.Parallel()
	k := keep(sdktrace.NeverSample())
	var requests []trace.Span
	for i := range 1002 {
		ctx, request := k.start(t.Context(), fmt.Sprintf("request %d", i), 0)
		_, command := k.start(ctx, fmt.Sprintf("command %d", i), 0)
		end(command, 1)
		requests = append(requests, request)
	}
	for i, request := range requests {
		if i < 3 || i == 1001 {
			failed(request, errors.New("x"))
		}
		end(request, 2)
	}
	if diff := cmp.Diff([]string{"request 0 failed", "request 1 failed", "command 2", "request 2 failed", "command 1001", "request 1001 failed"}, k.went()); diff != "" {
		t.Error(diff)
	}
	// One trace with more parts than are held.
	ctx, root := k.start(t.Context(), "root", 0)
	for range 600 {
		_, part := k.start(ctx, "part", 1)
		end(part, 2)
	}
	failed(root, errors.New("x"))
	end(root, 3)
	if n := len(k.recorder.Ended()) - 6; n != 501 {
		t.Errorf("%d spans of 601 were kept", n)
	}
}

func TestManyKeepAtOnce(t *testing.T) {
	t.Parallel()
	k := keep(sdktrace.NeverSample())
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for i := range 200 {
				ctx, request := k.start(context.Background(), "request", 0)
				var inner sync.WaitGroup
				for range 2 {
					inner.Go(func() {
						_, part := k.start(ctx, "part", 1)
						end(part, 2)
					})
				}
				inner.Wait()
				if i%2 == 1 {
					failed(request, errors.New("x"))
				}
				end(request, 2)
			}
		})
	}
	running.Wait()
	if n := len(k.recorder.Ended()); n != 8*100*3 {
		t.Errorf("%d spans were kept, want %d", n, 8*100*3)
	}
}

// With a sampler that takes one in a million, a failure comes to the exporter all the same.
func TestOpenKeepsWhatFailed(t *testing.T) {
	t.Parallel()
	sent, exported := open(t, "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0", "GAKUSHOKU_TRACES_SLOW", "1h")
	for _, err := range []error{nil, errors.New("x")} {
		ctx, request := observe.Start(observe.WithTracer(t.Context(), sent.Tracer()), "request", observe.Server)
		_, command := observe.Start(ctx, "command", observe.Internal)
		command.End()
		request.Failed(err).End()
	}
	if err := sent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if spans := exported.GetSpans(); len(spans) != 2 || spans[0].Name != "command" || spans[1].Name != "request" {
		t.Errorf("%v", spans)
	}
}
