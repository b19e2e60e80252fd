package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

func TestABatchIsReadAsItWasPut(t *testing.T) {
	t.Parallel()
	l := newLog()
	a := l.archiver(l.ledger, l.blobs)
	batch := records("s", 0, 100)
	for cut := 0; cut < 100; cut += 20 {
		done, err := a.Commit(t.Context(), batch[cut:cut+20])
		if want := (eventlog.Archived{Events: 20, Last: uint64(cut) + 20, Records: 20}); err != nil || done != want {
			t.Errorf("archived %+v, %v", done, err)
		}
	}
	if done, err := a.Commit(t.Context(), nil); err != nil || done != (eventlog.Archived{}) {
		t.Errorf("nothing: %+v, %v", done, err)
	}
	events := l.read(t)
	for cut := 0; cut < 100; cut += 20 { // a segment is ordered by partition
		var want, got []string
		for p := range eventlog.Partitions {
			for _, r := range batch[cut : cut+20] {
				if eventlog.PartitionOf(r.Event.Stream) == p {
					want = append(want, fmt.Sprintf("%+v", r.Event))
				}
			}
		}
		for _, e := range events[cut : cut+20] {
			got = append(got, fmt.Sprintf("%+v", e))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("segment %d (-want +got):\n%s", cut/20, diff)
		}
	}
	l.wantManifests(t)
}

func TestABatchThatComesAgainIsSkippedAndItsRestGoesOn(t *testing.T) {
	t.Parallel()
	l := newLog()
	a := l.archiver(l.ledger, l.blobs)
	batch := records("s", 0, 50)
	for _, step := range []struct {
		from, to int
		want     eventlog.Archived
	}{
		{0, 10, eventlog.Archived{Events: 10, Last: 10, Records: 10}},
		{0, 10, eventlog.Archived{Last: 10, Records: 10}},
		{0, 4, eventlog.Archived{Last: 10, Records: 10}},
		{0, 30, eventlog.Archived{Events: 20, Last: 30, Records: 30}},
		{0, 50, eventlog.Archived{Events: 20, Last: 50, Records: 50}},
		{10, 15, eventlog.Archived{Last: 30, Records: 20}},
		{0, 50, eventlog.Archived{Last: 50, Records: 50}},
	} {
		got, err := a.Commit(t.Context(), batch[step.from:step.to])
		if diff := cmp.Diff(step.want, got); diff != "" || err != nil {
			t.Errorf("records %d to %d: %v (-want +got):\n%s", step.from, step.to, err, diff)
		}
	}
	if n := counts(l.read(t)); len(n) != 50 {
		t.Errorf("%d events", len(n))
	}
	if objects, err := l.blobs.List(t.Context(), eventlog.SegmentFolder, "", 100); err != nil || len(objects) != 3 {
		t.Errorf("%d objects were written for 3 segments, %v", len(objects), err)
	}
}

// TestACrashAtAnyStepLosesNothing ends the archiver before and after each of its calls, lets
// the batch come again, and wants the log as if nothing had been.
func TestACrashAtAnyStepLosesNothing(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{errCrash, errBusy} {
		for _, late := range []bool{false, true} {
			for step := 0; failsAt(t, step, failure, late); step++ {
			}
		}
	}
}

// failsAt makes one call fail and reports whether there was one to fail.
func failsAt(t *testing.T, step int, failure error, late bool) bool {
	l := newLog()
	calls, failed := 0, ""
	fail := func(now bool) func(string) error {
		return func(call string) error {
			if now != late {
				return nil
			}
			if calls++; calls-1 == step {
				failed = call
				return failure
			}
			return nil
		}
	}
	s := &shaky{ledger: l.ledger, blobs: l.blobs, before: fail(false), after: fail(true)}
	a := l.archiver(s, s)
	all := records("s", 0, 30)
	for cut := 0; cut < 30; cut += 10 {
		for tries := 0; ; tries++ {
			_, err := a.Commit(t.Context(), all[cut:cut+10])
			if err == nil {
				break
			}
			if !errors.Is(err, failure) || tries > 3 {
				t.Fatalf("step %d: %v", step, err)
			}
		}
	}
	where := fmt.Sprintf("%v at call %d (%s), late: %v", failure, step, failed, late)
	if n := counts(l.read(t)); len(n) != 30 {
		t.Errorf("%s: %d different events, want 30", where, len(n))
	}
	if head, err := l.ledger.Head(t.Context()); err != nil || head.Number != 30 || head.Segments != 3 {
		t.Errorf("%s: the head is %+v, %v", where, head, err)
	}
	l.wantManifests(t)
	return failed != ""
}

func TestAnArchiverThatAlwaysLosesGivesUpForAWhile(t *testing.T) {
	t.Parallel()
	l := newLog()
	others := l.archiver(l.ledger, l.blobs)
	n := 0
	s := &shaky{ledger: l.ledger, blobs: l.blobs, after: never, before: func(call string) error {
		if call == "Commit" {
			n++
			if _, err := others.Commit(t.Context(), records("others", n, 1)); err != nil {
				t.Error(err)
			}
		}
		return nil
	}}
	a := l.archiver(s, s)
	a.Retries.Tries = 12
	_, err := a.Commit(t.Context(), records("s", 0, 3))
	if !errors.Is(err, eventlog.ErrHeadMoved) || fault.ClassOf(err) != fault.Infra || n != 12 {
		t.Errorf("%d tries: %v", n, err)
	}
	if objects, err := l.blobs.List(t.Context(), eventlog.SegmentFolder, "", 100); err != nil || len(objects) != 13 {
		t.Errorf("%d objects, %v: losing the race must not write the object again", len(objects), err)
	}
}

func TestACancelledCommitEndsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLog()
	ctx, cancel := context.WithCancel(t.Context())
	s := &shaky{ledger: l.ledger, blobs: l.blobs, after: never, before: func(call string) error {
		if call == "Commit" {
			cancel()
			return errBusy
		}
		return nil
	}}
	a := l.archiver(s, s)
	a.Retries = eventlog.DefaultRetries
	if _, err := a.Commit(ctx, records("s", 0, 3)); fault.ClassOf(err) != fault.Infra {
		t.Errorf("%v", err)
	}
	if head, err := l.ledger.Head(t.Context()); err != nil || head.Number != 0 {
		t.Errorf("%+v, %v", head, err)
	}
}

func TestManyArchiversAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	l := newLog()
	const archivers, batches, size = 6, 10, 5
	var running sync.WaitGroup
	for n := range archivers {
		running.Go(func() {
			a := l.archiver(l.ledger, l.blobs)
			a.Retries = eventlog.DefaultRetries
			a.Retries.Tries = 1000
			for i := range batches {
				batch := records(fmt.Sprint("shard", n/2), i*size, size) // two have the same shard
				if _, err := a.Commit(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	n := counts(l.read(t))
	if len(n) != archivers/2*batches*size {
		t.Errorf("%d events", len(n))
	}
	for id, times := range n {
		if times != 1 {
			t.Errorf("%s is in the log %d times", id, times)
		}
	}
	l.wantManifests(t)
}

func TestTheArchiverTellsWhatItDoes(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	ctx := observe.WithLogger(t.Context(), observe.NewLogger(&lines, zerolog.DebugLevel, "archiver"))
	l := newLog()
	moved := false
	s := &shaky{ledger: l.ledger, blobs: l.blobs, after: never, before: func(call string) error {
		if call == "Commit" && !moved {
			moved = true
			return eventlog.ErrHeadMoved
		}
		return nil
	}}
	a := l.archiver(s, s)
	for range 2 {
		if _, err := a.Commit(ctx, records("s", 0, 3)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{`"message":"archive:conflict"`, `"message":"archive:commit"`, `"first":1,"last":3,"events":3`, `"message":"archive:claimed"`} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("%s is not in\n%s", want, lines.String())
		}
	}
}

func TestASpanTellsOfEachSegment(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	ctx := observe.WithTracer(t.Context(), sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test"))
	l := newLog()
	batch := records("s", 0, 5)
	for i := range batch {
		batch[i].Event.Traceparent = fmt.Sprintf("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b%x-01", i)
	}
	failing := &shaky{ledger: l.ledger, blobs: l.blobs, before: func(call string) error {
		if call == "Claimed" {
			return errBusy
		}
		return nil
	}, after: never}
	if _, err := l.archiver(failing, l.blobs).Commit(ctx, batch); err == nil {
		t.Error("it went well")
	}
	for range 2 { // the batch comes, and comes again with more
		if _, err := l.archiver(l.ledger, l.blobs).Commit(ctx, batch[:3]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.archiver(l.ledger, l.blobs).Commit(ctx, batch); err != nil {
		t.Fatal(err)
	}
	type told struct {
		Events, Number int64
		Repeated       bool
		Links          int
		Status         codes.Code
	}
	var got []told
	for _, s := range recorder.Ended() {
		one := told{Links: len(s.Links()), Status: s.Status().Code}
		for _, a := range s.Attributes() {
			switch string(a.Key) {
			case observe.AttrEvents:
				one.Events = a.Value.AsInt64()
			case observe.AttrNumber:
				one.Number = a.Value.AsInt64()
			case observe.AttrRepeated:
				one.Repeated = a.Value.AsBool()
			}
		}
		got = append(got, one)
	}
	want := []told{
		{Links: 5, Status: codes.Error},
		{Events: 3, Number: 3, Links: 3}, {Events: 3, Number: 3, Repeated: true, Links: 3},
		{Events: 3, Number: 3, Repeated: true, Links: 5}, {Events: 2, Number: 5, Links: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoNumberIsGivenTwiceWhenTheLedgerIsAnOlderCopy(t *testing.T) {
	t.Parallel()
	l := newLog()
	a := l.archiver(l.ledger, l.blobs)
	for n := range 3 {
		if _, err := a.Commit(t.Context(), records("s", n*10, 10)); err != nil {
			t.Fatal(err)
		}
	}
	manifests, err := l.ledger.Manifests(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for copied := range manifests {
		older := memory.NewLedger()
		if err := older.Restore(t.Context(), manifests[:copied]); err != nil {
			t.Fatal(err)
		}
		a.Ledger = older
		if _, err := a.Commit(t.Context(), records("s", 30, 10)); !errors.Is(err, eventlog.ErrLedgerBehind) {
			t.Errorf("with %d of the segments: %v", copied, err)
		}
		if err := older.Restore(t.Context(), manifests); err != nil {
			t.Fatal(err)
		}
		if done, err := a.Commit(t.Context(), records("s", 30, 10)); err != nil || done.Last != 40 {
			t.Errorf("with %d of the segments, then all: %+v, %v", copied, done, err)
		}
		if err := l.blobs.Delete(t.Context(), eventlog.ManifestKey(31)); err != nil {
			t.Fatal(err)
		}
	}
}
