package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/rehearse/loadgen"
	"gakushoku/internal/rehearse/provider"
)

// payments is a simulated payment provider beside the canteen.
type payments struct {
	server *httptest.Server
	card   *payment.Card
	book   ledger.Memory
}

// openPayments starts a provider, and restarts the server so that it uses the provider.
func (c *canteen) openPayments(ctx context.Context, change deployment) error {
	p := &payments{}
	p.server = httptest.NewServer(provider.New(provider.Options{Book: &p.book, Logger: zerolog.Nop()}))
	var err error
	if p.card, err = payment.NewCard(p.server.URL, ""); err != nil {
		return err
	}
	c.payments = p
	return c.deploy(ctx, change)
}

// The dish that guests pay by card, and its price.
const (
	dish    = "katsu-curry"
	dishYen = 680
)

func (p *payments) close() {
	if p != nil {
		p.card.Close()
		p.server.Close()
	}
}

// fault makes the provider misbehave until mend.
func (p *payments) fault(ctx context.Context, kind string) error {
	return p.send(ctx, http.MethodPut, "/faults/"+kind, map[string]any{})
}

func (p *payments) mend(ctx context.Context) error {
	return p.send(ctx, http.MethodDelete, "/faults", nil)
}

func (p *payments) send(ctx context.Context, method, path string, body any) error {
	_, err := loadgen.NewClient(p.server.URL, loadgen.Patience).Send(ctx, method, path, nil, body, new(any))
	return err
}

// payLater has guests order the dish and pay by card, while their payments stay open.
func (c *canteen) payLater(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		place := map[string]any{"orderId": id, "lines": []loadgen.Line{{ProductID: dish, Quantity: 1}}}
		if _, err := c.client.Send(ctx, http.MethodPost, "/orders", map[string]string{"Idempotency-Key": "place-" + id}, place, new(any)); err != nil {
			return err
		}
		paid, operation, err := c.client.Pay(ctx, id)
		if err != nil {
			return err
		}
		if paid.Status != readmodel.StatusOrdered {
			return fmt.Errorf("order %s is %s although nobody knows whether it is paid", id, paid.Status)
		}
		c.order, c.operation = id, operation
	}
	return nil
}

// paidOnce waits until the orders are paid, and checks that each was charged once.
func (c *canteen) paidOnce(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if err := c.client.Shown(ctx, id, readmodel.StatusPaid); err != nil {
			return err
		}
	}
	sums, err := ledger.SumsOf(ctx, &c.payments.book)
	if err == nil && sums.Captured != int64(len(ids)*dishYen) {
		err = fmt.Errorf("the provider has captured %d yen for %d orders of %d", sums.Captured, len(ids), dishYen)
	}
	return err
}

// guests are the orders of the guests who pay by card.
func guests(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("card-%d", i+1)
	}
	return ids
}

// providerDown is a payment provider that refuses all calls.
func providerDown() Drill {
	paying := guests(12)
	return Drill{
		Name: "payment-provider-down", Title: "I pay by card, and the app says that it is being processed", Page: "payment-provider-down.md",
		broken: "the payment provider is down while guests pay by card",
		breaks: func(ctx context.Context, c *canteen) error {
			if err := c.openPayments(ctx, nil); err != nil {
				return err
			}
			if err := c.payments.fault(ctx, provider.FaultDown); err != nil {
				return err
			}
			return c.payLater(ctx, paying...)
		},
		signs: []sign{alarmed("payment-provider-down", beat)},
		steps: []step{
			{section: look, shows: []string{"payment:failed", "it answered 503", "capture"}},
			{hand: "the provider is up again", do: func(ctx context.Context, c *canteen) error { return c.payments.mend(ctx) }},
			{hand: "the open payments are captured by themselves, once each", do: func(ctx context.Context, c *canteen) error { return c.paidOnce(ctx, paying...) }},
			{section: over, shows: []string{"payment:success"}},
		},
	}
}

// stuckCheckout is a checkout that was tried too often.
func stuckCheckout() Drill {
	const guest = "card-1"
	impatient := func(s *embedded.Server) {
		s.Checkout.Attempts, s.Checkout.Pause = 3, func(int) time.Duration { return 50 * time.Millisecond }
	}
	return Drill{
		Name: "stuck-checkout", Title: "I have paid, and my order does not go on", Page: "stuck-process.md",
		broken: "the payment provider does not answer for so long that a checkout is given up (here after 3 tries, not 10)",
		breaks: func(ctx context.Context, c *canteen) error {
			if err := c.openPayments(ctx, impatient); err != nil {
				return err
			}
			if err := c.payments.fault(ctx, provider.FaultDown); err != nil {
				return err
			}
			return c.payLater(ctx, guest)
		},
		signs: []sign{judged("gakushoku process list --stuck"), alarmed("process-stuck", beat)},
		steps: []step{
			{section: look, shows: []string{order.Stream(guest), "capture", "stuck since", "it answered 503"}},
			{hand: "the provider is up again", do: func(ctx context.Context, c *canteen) error {
				if o, err := c.client.Order(ctx, guest, 0); err != nil || o.Status != readmodel.StatusOrdered {
					return errors.Join(err, fmt.Errorf("the order is %s before anybody had it tried again", o.Status))
				}
				return c.payments.mend(ctx)
			}},
			{section: repair, shows: []string{order.Stream(guest)}},
			{hand: "the payment is captured, once", do: func(ctx context.Context, c *canteen) error { return c.paidOnce(ctx, guest) }},
			{section: over, shows: []string{"Nothing is stuck.", "is ready after"}},
		},
	}
}
