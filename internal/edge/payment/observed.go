package payment

import (
	"context"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// The fields of this package's log lines.
const (
	fieldCall    = "call"
	fieldPayment = "paymentId"
)

// Observed returns p such that each call has a span, is measured, and leaves a log line.
func Observed(p Provider) Provider { return observed{p} }

type observed struct{ inner Provider }

// Authorise implements Provider.
func (o observed) Authorise(ctx context.Context, key string, yen int64) (Receipt, error) {
	return o.observe(ctx, "authorise", key, func(ctx context.Context) (Receipt, error) { return o.inner.Authorise(ctx, key, yen) })
}

// Capture implements Provider.
func (o observed) Capture(ctx context.Context, key string, yen int64) (Receipt, error) {
	return o.observe(ctx, "capture", key, func(ctx context.Context) (Receipt, error) { return o.inner.Capture(ctx, key, yen) })
}

// Refund implements Provider.
func (o observed) Refund(ctx context.Context, key, refund string, yen int64) (Receipt, error) {
	return o.observe(ctx, "refund", key, func(ctx context.Context) (Receipt, error) { return o.inner.Refund(ctx, key, refund, yen) })
}

// Void implements Provider.
func (o observed) Void(ctx context.Context, key string) (Receipt, error) {
	return o.observe(ctx, "void", key, func(ctx context.Context) (Receipt, error) { return o.inner.Void(ctx, key) })
}

// Lookup implements Provider.
func (o observed) Lookup(ctx context.Context, key string) (Receipt, error) {
	return o.observe(ctx, "lookup", key, func(ctx context.Context) (Receipt, error) { return o.inner.Lookup(ctx, key) })
}

func (observed) observe(ctx context.Context, name, key string, call func(context.Context) (Receipt, error)) (Receipt, error) {
	ctx, span := observe.Start(ctx, "payment "+name, observe.Client)
	defer span.End()
	began := time.Now()
	r, err := call(ctx)
	took := time.Since(began)
	span.Failed(err)
	observe.MetricsOf(ctx).Called(ctx, "payment", name, took, err)
	logger := observe.Logger(ctx)
	elapsed := float64(took.Microseconds()) / 1000
	if err == nil {
		logger.Info().Str(fieldCall, name).Str(fieldPayment, key).Str("status", string(r.Status)).
			Float64(observe.FieldDurationMs, elapsed).Str(observe.FieldResult, observe.ResultOK).Msg("payment:success")
		return r, nil
	}
	line := logger.Warn()
	if fault.ClassOf(err) == fault.Bug {
		line = logger.Error()
	}
	observe.Failed(line.Str(fieldCall, name).Str(fieldPayment, key), elapsed, err).Msg("payment:failed")
	return r, err
}
