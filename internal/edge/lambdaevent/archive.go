package lambdaevent

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// Archive returns the Lambda handler of the event table's stream that archives batches with commit, which
// reports how far it got. A record's source is its SequenceNumber, which is unique within a stream and the
// same in each delivery.
//
// The response names the first record that is not known to be in the log; Lambda delivers again from there.
// A record that is not a new event causes no failure and does not come into the log, but the operator must
// learn of it. It is counted and logged at error: as events:changed if a stored event was changed or
// removed, as archive:undecodable if it cannot be decoded.
//
// Archive calls committed, unless it is nil, for each archived batch with the time when the newest of its
// events was appended.
func Archive(commit func(context.Context, []eventlog.Record) (eventlog.Archived, error), committed func(context.Context, time.Time), logger zerolog.Logger) StreamHandler {
	return Invoked(func(ctx context.Context, batch StreamBatch) (events.DynamoDBEventResponse, error) {
		started := time.Now()
		delivered, places := decode(batch, func(raw json.RawMessage, err error) { reportRefused(ctx, raw, err) })
		if len(delivered) == 0 {
			reportArchived(ctx, batch, eventlog.Archived{}, nil, time.Since(started))
			return allIn(), nil
		}
		records := make([]eventlog.Record, len(delivered))
		for i := range delivered {
			records[i] = eventlog.Record{Source: places[i].sequence, Event: delivered[i]}
		}
		done, err := commit(ctx, records)
		if err == nil && committed != nil {
			committed(ctx, newest(places))
		}
		reportArchived(ctx, batch, done, err, time.Since(started))
		if err == nil {
			return allIn(), nil
		}
		from := done.Records
		if from >= len(places) {
			from = 0 // starting at the first record is always correct
		}
		return retryFrom(places[from]), nil
	}, logger)
}

// reportRefused reports a record that is not a new event: the event table should only be appended to.
func reportRefused(ctx context.Context, raw json.RawMessage, err error) {
	message, what := "archive:undecodable", observe.TableUndecodable
	if errors.Is(err, errNoEvent) {
		message, what = "events:changed", observe.TableChanged
	}
	observe.MetricsOf(ctx).TableTouched(ctx, what)
	logRefused(ctx, message, raw, err)
}

// reportArchived logs the batch and, if it was not archived, why.
func reportArchived(ctx context.Context, batch StreamBatch, done eventlog.Archived, err error, took time.Duration) {
	logger, result := observe.Logger(ctx), observe.ResultOK
	if err != nil {
		result = observe.ResultNG
		logger.Error().Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Msg("archive:failed")
	}
	logger.Info().Int("records", len(batch.Records)).Int("events", done.Events).Int("archived", done.Records).Uint64("last", done.Last).
		Float64(observe.FieldDurationMs, float64(took.Microseconds())/1000).Str(observe.FieldResult, result).Msg("archive:batch")
}
