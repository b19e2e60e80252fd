package payment

import (
	"context"
	"errors"
	"time"

	"gakushoku/internal/operate/health"
)

// PartProvider is the name of the provider in health reports.
const PartProvider = "paymentProvider"

// probeKey is the key of a payment that is never made.
const probeKey = "health-probe"

// healthEvery is how often a provider is asked for the sake of health reports.
const healthEvery = 30 * time.Second

// Health returns the probe of a provider. It looks a payment up, which shows whether the provider takes our secret. A
// canteen whose provider fails still serves guests: they pay in cash, and card payments stay open.
func Health(p Provider) health.Probe {
	return health.Cached(health.Probe{Name: PartProvider, Dependency: true, Check: func(ctx context.Context) (string, error) {
		_, err := p.Lookup(ctx, probeKey)
		var refused *Error
		var said answer
		switch {
		case errors.As(err, &refused):
			return "", errors.Join(health.Problemf("the payment provider refuses: %s", refused.Code), err)
		case errors.As(err, &said):
			return "", errors.Join(health.Problemf("the payment provider cannot be used: %s", said), err)
		case err != nil:
			return "", errors.Join(health.Problemf("the payment provider does not answer"), err)
		}
		return "it answers, and takes our secret", nil
	}}, healthEvery, time.Now)
}
