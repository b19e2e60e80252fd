package lambdaevent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
	"gakushoku/internal/store/memory"
)

// archiveTold hands a batch to an archiver that answers as it is told, and returns the
// handler's answer, what the archiver was given, and what was logged.
func archiveTold(t *testing.T, batch StreamBatch, done eventlog.Archived, failure error) (answer string, got []string, appended time.Time, log string) {
	t.Helper()
	commit := func(_ context.Context, records []eventlog.Record) (eventlog.Archived, error) {
		for _, r := range records {
			got = append(got, r.Source+" "+r.Event.ID)
		}
		return done, failure
	}
	var lines bytes.Buffer
	committed := func(_ context.Context, at time.Time) { appended = at }
	out, err := Archive(commit, committed, observe.NewLogger(&lines, zerolog.InfoLevel, "archiver"))(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), got, appended, lines.String()
}

func TestInsertedEventsAreArchivedUnderTheirSequenceNumbers(t *testing.T) {
	t.Parallel()
	answer, got, appended, log := archiveTold(t, golden[StreamBatch](t, "stream.json"), eventlog.Archived{Events: 3, Records: 3, Last: 3}, nil)
	if answer != `{"batchItemFailures":[]}` {
		t.Errorf("answer %s", answer)
	}
	if diff := cmp.Diff([]string{"100 e1", "107 e4", "108 e5"}, got); diff != "" {
		t.Error(diff)
	}
	if !appended.Equal(time.UnixMilli(1769223601000)) {
		t.Errorf("appended %s", appended)
	}
	if n := strings.Count(log, `"archive:undecodable"`); n != 8 || strings.Contains(log, "archive:failed") {
		t.Errorf("%d records were logged as undecodable, want 8:\n%s", n, log)
	}
}

func TestABatchThatDoesNotComeInIsWantedAgainFromWhereItStopped(t *testing.T) {
	t.Parallel()
	down := fault.Unavailable(errors.New("the bucket is busy"))
	for name, test := range map[string]struct {
		done eventlog.Archived
		want string
	}{
		"nothing is in":          {eventlog.Archived{}, `{"batchItemFailures":[{"itemIdentifier":"100"}]}`},
		"one had been in before": {eventlog.Archived{Records: 1}, `{"batchItemFailures":[{"itemIdentifier":"107"}]}`},
		"all but one are":        {eventlog.Archived{Records: 2}, `{"batchItemFailures":[{"itemIdentifier":"108"}]}`},
		"all are, and it failed": {eventlog.Archived{Records: 3}, `{"batchItemFailures":[{"itemIdentifier":"100"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, _, appended, log := archiveTold(t, golden[StreamBatch](t, "stream.json"), test.done, down)
			if answer != test.want {
				t.Errorf("got %s, want %s", answer, test.want)
			}
			if !appended.IsZero() {
				t.Error("a batch that is not in was noted as archived")
			}
			if !strings.Contains(log, `"errorClass":"infra"`) || !strings.Contains(log, `"archive:failed"`) {
				t.Errorf("the failure is not in the log:\n%s", log)
			}
		})
	}
}

func TestABatchWithoutEventsIsNotArchived(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`{}`, `{"Records":[]}`, `{"Records":[null]}`, `{"Records":[{"eventName":"REMOVE"}]}`} {
		var batch StreamBatch
		if err := json.Unmarshal([]byte(raw), &batch); err != nil {
			t.Fatal(err)
		}
		if answer, got, _, _ := archiveTold(t, batch, eventlog.Archived{}, errors.New("called")); answer != `{"batchItemFailures":[]}` || len(got) > 0 {
			t.Errorf("%s: %s, %d records", raw, answer, len(got))
		}
	}
}

// A filter keeps nothing from the archiver: what it is told of changes of stored events comes to
// somebody's ears, and never into the log.
func TestChangesOfStoredEventsAreReportedAndKeptOutOfTheLog(t *testing.T) {
	t.Parallel()
	const kept = `{"eventName":"INSERT","dynamodb":{"SequenceNumber":"2","NewImage":{"stream":{"S":"order-o1"},"version":{"N":"1"},"eventId":{"S":"e1"},"type":{"S":"OrderPlaced"},` +
		`"occurredAt":{"S":"2026-01-24T00:00:00.000Z"},"payload":{"S":"{\"orderId\":\"o1\",\"total\":780}"}}}}`
	for name, test := range map[string]struct{ record, message, counted string }{
		"changed":     {`{"eventName":"MODIFY","dynamodb":{"SequenceNumber":"1","Keys":{"stream":{"S":"order-o9"}},"NewImage":{"stream":{"S":"order-o9"}}}}`, "events:changed", observe.TableChanged},
		"removed":     {`{"eventName":"REMOVE","dynamodb":{"SequenceNumber":"1","Keys":{"stream":{"S":"order-o9"}}}}`, "events:changed", observe.TableChanged},
		"is no event": {`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1","Keys":{"stream":{"S":"order-o9"}},"NewImage":{"stream":{"S":"order-o9"}}}}`, "archive:undecodable", observe.TableUndecodable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metrics, text := observetest.Metrics(t)
			var lines bytes.Buffer
			archiver := &eventlog.Archiver{Ledger: memory.NewLedger(), Blobs: memory.NewBlobs(), Now: time.Now, NewID: observe.NewID}
			batch := StreamBatch{Records: []json.RawMessage{json.RawMessage(test.record), json.RawMessage(kept)}}
			out, err := Archive(archiver.Commit, nil, observe.NewLogger(&lines, zerolog.InfoLevel, "archiver"))(observe.WithMetrics(t.Context(), metrics), batch)
			if err != nil || len(out.BatchItemFailures) > 0 {
				t.Fatalf("%v %v", out, err)
			}
			if head, err := archiver.Ledger.Head(t.Context()); err != nil || head.Number != 1 {
				t.Errorf("the log has %d events, %v: want the one that was appended", head.Number, err)
			}
			if log := lines.String(); !strings.Contains(log, `"level":"error"`) || !strings.Contains(log, test.message) || !strings.Contains(log, "order-o9") {
				t.Errorf("nobody is told which event it was:\n%s", log)
			}
			if text := text(); !strings.Contains(text, `gakushoku_events_touched_total{gakushoku_result="`+test.counted+`"} 1`) {
				t.Errorf("it was not counted:\n%s", text)
			}
		})
	}
}

// TestABatchDeliveredTwiceIsInTheLogOnce has the real archiver behind the handler.
func TestABatchDeliveredTwiceIsInTheLogOnce(t *testing.T) {
	t.Parallel()
	archiver := &eventlog.Archiver{Ledger: memory.NewLedger(), Blobs: memory.NewBlobs(), Now: time.Now, NewID: observe.NewID}
	archive := Archive(archiver.Commit, nil, zerolog.Nop())
	for range 2 {
		if out, err := archive(t.Context(), golden[StreamBatch](t, "stream.json")); err != nil || len(out.BatchItemFailures) > 0 {
			t.Fatalf("%v %v", out, err)
		}
	}
	head, err := archiver.Ledger.Head(t.Context())
	if err != nil || head.Number != 3 || head.Segments != 1 {
		t.Errorf("the head is %+v, %v", head, err)
	}
	objects, err := archiver.Blobs.List(t.Context(), "", "", 10)
	if keys := slices.ContainsFunc(objects, func(b eventlog.Blob) bool { return b.Key == eventlog.ManifestKey(1) }); err != nil || len(objects) != 2 || !keys {
		t.Errorf("%+v %v", objects, err)
	}
}
