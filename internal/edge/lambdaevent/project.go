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

// Project is the Lambda handler of the event table's stream around apply, which brings
// projections up to date and tells which streams it could not.
//
// The answer names the first record of a stream that failed; Lambda delivers from there on
// again, the failed and the others after it, to which that does no harm. A record that
// cannot be decoded fails nothing: it is logged as projection:undecodable. Changes of stored
// events are left out: the archiver, which reads the same stream, tells of them.
//
// applied, unless it is nil, hears of each batch that is in without a failure: when the
// newest of its events was appended.
func Project(apply func(context.Context, []event.Event) projection.Failures, applied func(context.Context, time.Time), logger zerolog.Logger) StreamHandler {
	var all invocations
	return func(ctx context.Context, batch StreamBatch) (events.DynamoDBEventResponse, error) {
		started := time.Now()
		ctx, cancel := all.begin(ctx, logger)
		defer cancel()
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
	}
}

// reportProjected tells of the batch, and of each stream that failed.
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
