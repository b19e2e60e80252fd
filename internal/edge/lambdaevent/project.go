package lambdaevent

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// Project returns the Lambda handler of the event table's stream that delivers batches to projections with
// apply, which returns the streams that failed.
//
// The response names the first record of a failed stream. Lambda delivers it and the records after it
// again, which is harmless for those that were applied. A record that cannot be decoded causes no failure:
// it is logged as projection:undecodable. Changes of stored events are ignored here: the archiver, which
// reads the same stream, reports them.
//
// Project calls applied, unless it is nil, for each batch without a failure with the time when the newest of
// its events was appended.
func Project(apply func(context.Context, []event.Event) projection.Failures, applied func(context.Context, time.Time), logger zerolog.Logger) StreamHandler {
	return Invoked(func(ctx context.Context, batch StreamBatch) (events.DynamoDBEventResponse, error) {
		started := time.Now()
		delivered, places := decode(batch, func(raw json.RawMessage, err error) {
			if !errors.Is(err, errNoEvent) {
				logRefused(ctx, "projection:undecodable", raw, err)
			}
		})
		var failures projection.Failures
		if len(delivered) > 0 {
			failures = apply(ctx, delivered)
		}
		if len(delivered) > 0 && len(failures) == 0 && applied != nil {
			applied(ctx, newest(places))
		}
		reportProjected(ctx, batch, delivered, failures, time.Since(started))
		for i := range delivered {
			if _, failed := failures[delivered[i].Stream]; failed {
				return retryFrom(places[i]), nil
			}
		}
		return allIn(), nil
	}, logger)
}

// reportProjected logs the batch, and each stream that failed.
func reportProjected(ctx context.Context, batch StreamBatch, delivered []event.Event, failures projection.Failures, took time.Duration) {
	logger := observe.Logger(ctx)
	for stream, err := range failures {
		logger.Error().Str(observe.FieldStream, stream).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Msg("projection:failed")
	}
	result := observe.ResultOK
	if len(failures) > 0 {
		result = observe.ResultNG
	}
	logger.Info().Int("records", len(batch.Records)).Int("events", len(delivered)).Int("failedStreams", len(failures)).
		Float64(observe.FieldDurationMs, float64(took.Microseconds())/1000).Str(observe.FieldResult, result).Msg("projection:batch")
}
