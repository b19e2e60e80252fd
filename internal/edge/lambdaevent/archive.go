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

// Archive is the Lambda handler of the event table's stream around commit, which puts a batch
// into the log and tells how far it came. A record's source is its SequenceNumber, which no
// two records of a stream share, and which is the same each time one is delivered.
//
// The answer names the first record that is not known to be in the log; Lambda delivers from
// there on again. A record that is no new event fails nothing and does not come into the log, but
// somebody has to learn of it: it is logged at error, as events:changed when a stored event was
// changed or removed, as archive:undecodable when it cannot be read, and counted.
//
// committed, unless it is nil, hears of each batch that is in: when the newest of its events
// was appended.
func Archive(commit func(context.Context, []eventlog.Record) (eventlog.Archived, error), committed func(context.Context, time.Time), logger zerolog.Logger) StreamHandler {
	var all invocations
	return func(ctx context.Context, batch StreamBatch) (events.DynamoDBEventResponse, error) {
		started := time.Now()
		ctx, cancel := all.begin(ctx, logger)
		defer cancel()
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
			from = 0 // from the first is always right
		}
		return retryFrom(places[from]), nil
	}
}

// reportRefused tells of a record that is no new event: the event table is to be appended to, and
// nothing else.
func reportRefused(ctx context.Context, raw json.RawMessage, err error) {
	message, what := "archive:undecodable", observe.TableUndecodable
	if errors.Is(err, errNoEvent) {
		message, what = "events:changed", observe.TableChanged
	}
	observe.MetricsOf(ctx).TableTouched(ctx, what)
	logRefused(ctx, message, raw, err)
}

// reportArchived tells of the batch, and why it did not come into the log.
func reportArchived(ctx context.Context, batch StreamBatch, done eventlog.Archived, err error, took time.Duration) {
	logger, result := observe.Logger(ctx), observe.ResultOK
	if err != nil {
		result = observe.ResultNG
		logger.Error().Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Msg("archive:failed")
	}
	logger.Info().Int("records", len(batch.Records)).Int("events", done.Events).Int("archived", done.Records).Uint64("last", done.Last).
		Float64(observe.FieldDurationMs, float64(took.Microseconds())/1000).Str(observe.FieldResult, result).Msg("archive:batch")
}
