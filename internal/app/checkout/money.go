package checkout

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/event"
)

// errNoProvider means that an order waits for a provider that this program does not know.
var errNoProvider = errors.New("the order has a payment by a provider, but none is configured: give --payment-provider, or the stack's parameter PaymentProviderUrl")

// provider returns the provider, or why there is none.
func (p *Performer) provider() (payment.Provider, error) {
	if p.Payments == nil {
		return nil, errNoProvider
	}
	return p.Payments, nil
}

// capture takes the money. A payment that is declined, or was voided, is closed by a void next: another
// worker's try may have gone through.
func (p *Performer) capture(ctx context.Context, c process.Call, row *checkout.Row) ([]event.Event, error) {
	provider, err := p.provider()
	if err != nil {
		return nil, err
	}
	_, err = provider.Capture(ctx, row.PaymentID, row.Total)
	var refused *payment.Error
	switch {
	case err == nil:
		return p.record(ctx, c, row, order.RecordPayment{PaymentID: row.PaymentID, At: event.InstantOf(p.Now())})
	case errors.As(err, &refused) && (refused.Code == payment.CodeDeclined || refused.Code == payment.CodeVoided):
		return p.record(ctx, c, row, order.RecordDecline{PaymentID: row.PaymentID, Reason: refused.Reason})
	}
	return nil, fmt.Errorf("capturing payment %s: %w", row.PaymentID, err)
}

// void makes sure that the payment holds no money, or finds that it does.
func (p *Performer) void(ctx context.Context, c process.Call, row *checkout.Row) ([]event.Event, error) {
	provider, err := p.provider()
	if err != nil {
		return nil, err
	}
	_, err = provider.Void(ctx, row.PaymentID)
	switch {
	case err == nil:
		return p.record(ctx, c, row, order.RecordVoid{PaymentID: row.PaymentID})
	case payment.Refused(err, payment.CodeAlreadyCaptured):
		return p.record(ctx, c, row, order.RecordPayment{PaymentID: row.PaymentID, At: event.InstantOf(p.Now())})
	}
	return nil, fmt.Errorf("voiding payment %s: %w", row.PaymentID, err)
}

// refund gives the money back. A payment has one refund, whatever the attempt, so its key follows from the
// payment's: the call's id would be another one if the order got an event meanwhile.
func (p *Performer) refund(ctx context.Context, c process.Call, row *checkout.Row) ([]event.Event, error) {
	provider, err := p.provider()
	if err != nil {
		return nil, err
	}
	if _, err = provider.Refund(ctx, row.PaymentID, RefundKey(row.PaymentID), row.Total); err != nil {
		return nil, fmt.Errorf("refunding payment %s: %w", row.PaymentID, err)
	}
	return p.record(ctx, c, row, order.RecordRefund{PaymentID: row.PaymentID})
}

// RefundKey returns the key of the refund of a payment.
func RefundKey(paymentID string) string { return paymentID + "-refund" }
