package telemetry

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/observe"
)

const envSlow = "GAKUSHOKU_TRACES_SLOW"

// slowOf returns the duration above which an operation counts as slow; 0 if only the sampler decides.
func slowOf(getenv func(string) string) (time.Duration, error) {
	switch text := getenv(envSlow); text {
	case "":
		return observe.Slow, nil
	case "off":
		return 0, nil
	default:
		slow, err := time.ParseDuration(text)
		if err != nil || slow <= 0 {
			return 0, fmt.Errorf("%s is %q: it must be a duration such as 200ms, or off", envSlow, text)
		}
		return slow, nil
	}
}

// RecordAll returns a sampler that records what head does not sample, so that a Keeper can decide about
// it at the end. A recorded span is not sampled: callers and events get head's decision.
func RecordAll(head sdktrace.Sampler) sdktrace.Sampler { return recordAll{head} }

type recordAll struct{ sdktrace.Sampler }

// ShouldSample is sdktrace.Sampler.
func (s recordAll) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := s.Sampler.ShouldSample(p)
	if result.Decision == sdktrace.Drop {
		result.Decision = sdktrace.RecordOnly
	}
	return result
}

// Description is sdktrace.Sampler.
func (s recordAll) Description() string { return "RecordAll{" + s.Sampler.Description() + "}" }

// The limits of a Keeper: local traces, spans in one of them, and spans in all of them. It holds none
// for longer than the duration that counts as slow.
const (
	maxLocals         = 1000
	maxHeldOfOne      = 500
	maxHeldAltogether = 20_000
)

// Keeper is a span processor that keeps failed and slow traces regardless of the sampler. It wraps
// another processor, such as a batcher, in a provider whose sampler is RecordAll:
//
//	sdktrace.WithSampler(RecordAll(head)), sdktrace.WithSpanProcessor(NewKeeper(sdktrace.NewBatchSpanProcessor(exporter), slow))
//
// A span that head sampled is passed on when it ends. The others wait for their local root, the
// outermost span of this process: a request, a batch of events, a step of a rebuild. If the root fails
// because of the infrastructure or a bug, or takes longer than slow, all of them are passed on, marked
// as sampled; otherwise they are dropped. The attribute observe.AttrKept on a root says whether it
// failed or was slow, even if it was sampled.
//
// A Keeper does not affect other processes of the same trace: they decide for themselves. It is safe
// for concurrent use.
type Keeper struct {
	next sdktrace.SpanProcessor
	slow time.Duration
	all  bool // sampled spans wait for their root too

	mu     sync.Mutex
	owners map[trace.SpanID]*local // of open and held spans
	queue  list.List               // of undecided *local, oldest first
	held   int                     // spans in all of them
	full   sync.Once
}

// local is the part of a trace in this process under one local root.
type local struct {
	root    trace.SpanID
	started time.Time
	held    []sdktrace.ReadOnlySpan
	place   *list.Element // in order; nil once decided
	kept    bool          // the decision
}

// NewKeeper returns a Keeper that passes spans on to next.
func NewKeeper(next sdktrace.SpanProcessor, slow time.Duration) *Keeper {
	return &Keeper{next: next, slow: slow, owners: map[trace.SpanID]*local{}}
}

// only makes the Keeper drop sampled spans too, unless their root failed or was slow.
func (k *Keeper) only() *Keeper {
	k.all = true
	return k
}

// passes reports whether a span is passed on regardless of its root.
func (k *Keeper) passes(s sdktrace.ReadOnlySpan) bool { return !k.all && s.SpanContext().IsSampled() }

// OnStart is sdktrace.SpanProcessor.
func (k *Keeper) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	k.next.OnStart(ctx, s)
	if k.passes(s) {
		return
	}
	k.mu.Lock()
	var l *local
	if !isRoot(s) {
		l = k.owners[s.Parent().SpanID()]
	}
	if l == nil {
		l = &local{root: s.SpanContext().SpanID(), started: s.StartTime()}
		l.place = k.queue.PushBack(l)
	}
	k.owners[s.SpanContext().SpanID()] = l
	on := k.makeRoom(s.StartTime())
	k.mu.Unlock()
	k.pass(on)
}

// OnEnd is sdktrace.SpanProcessor.
func (k *Keeper) OnEnd(s sdktrace.ReadOnlySpan) {
	if k.passes(s) {
		if reason := k.reason(s); reason != "" && isRoot(s) {
			s = kept{s, reason}
		}
		k.next.OnEnd(s)
		return
	}
	k.mu.Lock()
	on := k.makeRoom(s.EndTime())
	on = append(on, k.ended(s)...)
	k.mu.Unlock()
	k.pass(on)
}

// ended returns the spans to pass on now that an undecided span has ended.
func (k *Keeper) ended(s sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	id := s.SpanContext().SpanID()
	l := k.owners[id]
	switch {
	case l == nil:
		return nil
	case l.place == nil: // decided; a root that was dropped to make room can still be kept itself
		delete(k.owners, id)
		if l.kept || id == l.root && k.reason(s) != "" {
			return []sdktrace.ReadOnlySpan{k.keep(s, l)}
		}
		return nil
	case id == l.root:
		on := k.decide(l, k.reason(s) != "")
		delete(k.owners, id)
		if l.kept {
			on = append(on, k.keep(s, l))
		}
		return on
	case len(l.held) >= maxHeldOfOne:
		delete(k.owners, id)
		k.tooMuch()
	default:
		l.held = append(l.held, s)
		k.held++
	}
	return nil
}

// decide ends the wait of a local trace and returns the spans to pass on.
func (k *Keeper) decide(l *local, keep bool) (on []sdktrace.ReadOnlySpan) {
	k.queue.Remove(l.place)
	l.place, l.kept = nil, keep
	for _, s := range l.held {
		delete(k.owners, s.SpanContext().SpanID())
		if keep {
			on = append(on, k.keep(s, l))
		}
	}
	k.held -= len(l.held)
	l.held = nil
	return on
}

// makeRoom decides about the oldest local traces before they end: it keeps those that are slow by now
// and, if there are too many, drops the oldest of the others.
func (k *Keeper) makeRoom(now time.Time) (on []sdktrace.ReadOnlySpan) {
	for front := k.queue.Front(); front != nil; front = k.queue.Front() {
		l := front.Value.(*local)
		slow := now.Sub(l.started) > k.slow
		if !slow {
			if k.queue.Len() <= maxLocals && k.held <= maxHeldAltogether {
				break
			}
			k.tooMuch()
		}
		on = append(on, k.decide(l, slow)...)
	}
	return on
}

var errTooMuch = errors.New("too many operations at once: failed and slow traces may be incomplete")

func (k *Keeper) tooMuch() { k.full.Do(func() { otel.Handle(errTooMuch) }) }

// pass hands spans on. It is called without the lock.
func (k *Keeper) pass(on []sdktrace.ReadOnlySpan) {
	for _, s := range on {
		k.next.OnEnd(s)
	}
}

// Shutdown is sdktrace.SpanProcessor.
func (k *Keeper) Shutdown(ctx context.Context) error { return k.next.Shutdown(ctx) }

// ForceFlush is sdktrace.SpanProcessor.
func (k *Keeper) ForceFlush(ctx context.Context) error { return k.next.ForceFlush(ctx) }
