package payment

import (
	"context"
	"errors"
	"fmt"
)

// Settled returns p such that a call whose answer was lost is looked up: the call then succeeds or is refused
// as the provider's receipt says. If the provider has not seen the call, the error is ErrUnavailable; if it
// does not answer this question either, ErrUnknownOutcome.
func Settled(p Provider) Provider { return settled{p} }

type settled struct{ Provider }

// Authorise implements Provider.
func (s settled) Authorise(ctx context.Context, key string, yen int64) (Receipt, error) {
	r, err := s.Provider.Authorise(ctx, key, yen)
	return s.settle(ctx, key, r, err, func(r Receipt) (Receipt, error) { return r.Authorise(yen) })
}

// Capture implements Provider.
func (s settled) Capture(ctx context.Context, key string, yen int64) (Receipt, error) {
	r, err := s.Provider.Capture(ctx, key, yen)
	return s.settle(ctx, key, r, err, func(r Receipt) (Receipt, error) { return r.Capture(yen) })
}

// Refund implements Provider.
func (s settled) Refund(ctx context.Context, key, refund string, yen int64) (Receipt, error) {
	r, err := s.Provider.Refund(ctx, key, refund, yen)
	return s.settle(ctx, key, r, err, func(r Receipt) (Receipt, error) { return r.Refund(refund, yen) })
}

// Void implements Provider.
func (s settled) Void(ctx context.Context, key string) (Receipt, error) {
	r, err := s.Provider.Void(ctx, key)
	return s.settle(ctx, key, r, err, Receipt.Void)
}

// settle looks up what became of a call, unless its outcome is known. The call has happened if making it
// again would change nothing.
func (s settled) settle(ctx context.Context, key string, r Receipt, err error, again func(Receipt) (Receipt, error)) (Receipt, error) {
	if !errors.Is(err, ErrUnknownOutcome) || ctx.Err() != nil {
		return r, err
	}
	found, lookupErr := s.Lookup(ctx, key)
	if lookupErr != nil {
		return r, errors.Join(err, fmt.Errorf("looking payment %s up: %w", key, lookupErr))
	}
	after, refusal := again(found)
	if refusal != nil {
		return found, refusal
	}
	if !after.Same(found) {
		return found, Unavailable(fmt.Errorf("the call did not arrive: %w", causeOf(err)), 0)
	}
	return found, nil
}
