package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/rehearse/loadgen"
)

// parameterPayments is the stack's parameter with the address of the payment provider.
const parameterPayments = "PaymentProviderUrl"

// providerHere returns an address on this machine for a payment provider.
func providerHere() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return "http://" + l.Addr().String(), l.Close()
}

// provider is a simulated payment provider: a process with a durable book.
type provider struct {
	program, book, url string
	process            *exec.Cmd
}

func (p *provider) start(ctx context.Context) error {
	at, err := url.Parse(p.url)
	if err != nil {
		return err
	}
	p.process = exec.Command(p.program, "payments", "serve", "--addr", at.Host, "--data", p.book) //nolint:noctx // it is killed
	if err := p.process.Start(); err != nil {
		return fmt.Errorf("starting the payment provider: %w", err)
	}
	return until(ctx, time.Minute, "the payment provider to listen", func(ctx context.Context) (bool, error) {
		_, err := p.sums(ctx)
		return err == nil, nil
	})
}

// kill ends the process without asking it.
func (p *provider) kill() {
	p.process.Process.Kill() //nolint:errcheck // it may have ended
	p.process.Wait()         //nolint:errcheck // it was killed
}

func (p *provider) sums(ctx context.Context) (sums ledger.Sums, err error) {
	err = loadgen.NewClient(p.url, loadgen.Patience).Get(ctx, "/ledger/sums", &sums)
	return sums, err
}

// fault makes the provider misbehave for some calls.
func (p *provider) fault(ctx context.Context, kind string, calls int) error {
	_, err := loadgen.NewClient(p.url, loadgen.Patience).Send(ctx, http.MethodPut, "/faults/"+kind, nil, map[string]any{"calls": calls}, new(any))
	return err
}

// diner is a guest with a session who orders, pays by card, and sometimes calls the order off.
type diner struct {
	client *loadgen.Client
	as     map[string]string // headers
	orders []string
	open   int             // payments that were not settled when they were responded
	paid   chan<- struct{} // is told of each order that was paid, or whose payment is open
}

func newDiner(ctx context.Context, c *client, paid chan<- struct{}) (*diner, error) {
	var begun struct{ Token string }
	if _, err := c.app.Send(ctx, http.MethodPost, "/session", nil, nil, &begun); err != nil {
		return nil, err
	}
	return &diner{client: c.app, as: map[string]string{"Authorization": "Bearer " + begun.Token}, paid: paid}, nil
}

// stateOf is where an order and its checkout are.
type stateOf struct {
	Status   string         `json:"status"`
	Checkout order.Checkout `json:"checkout"`
	Total    int64          `json:"total"`
}

// dine orders and pays once. A payment that stays open is no failure: the worker ends it.
func (d *diner) dine(ctx context.Context, n int) error {
	var placed loadgen.Order
	body := map[string]any{"lines": loadgen.Orders[n%len(loadgen.Orders) : n%len(loadgen.Orders)+1]}
	if _, err := d.client.Send(ctx, http.MethodPost, "/orders", d.as, body, &placed); err != nil {
		return err
	}
	d.orders = append(d.orders, placed.OrderID)
	var paid loadgen.Order
	if _, err := d.client.Send(ctx, http.MethodPost, "/orders/"+placed.OrderID+"/pay", d.as, map[string]any{"paymentMethod": "CARD"}, &paid); err != nil {
		return err
	}
	if paid.Status == readmodel.StatusOrdered {
		d.open++
	}
	d.paid <- struct{}{}
	if n%3 == 2 {
		_, err := d.client.Send(ctx, http.MethodPost, "/orders/"+placed.OrderID+"/cancel", d.as, map[string]any{}, new(any))
		return err
	}
	return nil
}

// settled returns the state of an order, and whether its checkout has ended.
func (d *diner) settled(ctx context.Context, id string) (s stateOf, ended bool, err error) {
	_, err = d.client.Send(ctx, http.MethodGet, "/orders/"+id, d.as, nil, &s)
	return s, s.Checkout == order.CheckoutConfirmed || s.Checkout == order.CheckoutReleased, err
}

const (
	diners = 3
	meals  = 6 // of each
	// outage is how long the provider is away.
	outage = 3 * time.Second
	// settleLimit is how long checkouts may take to end: what was left is tried again each minute.
	settleLimit = 5 * time.Minute
)

// checkOut has guests order from the menu and pay by card. In the middle an answer of the payment provider is lost
// and the provider is killed, and brought back. All checkouts end, and the money is that of the orders.
func checkOut(ctx context.Context, c *canteen) error {
	address := c.deployment.parameters[parameterPayments]
	if address == "" {
		say("   left out: the functions of this emulator cannot reach a payment provider on this machine")
		return nil
	}
	work, err := os.MkdirTemp("", "gakushoku-checkout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := buildCommandLine(ctx, work); err != nil {
		return err
	}
	p := &provider{program: filepath.Join(work, "gakushoku"), book: filepath.Join(work, "book"), url: address}
	if err := p.start(ctx); err != nil {
		return err
	}
	defer func() { p.kill() }()
	if err := p.fault(ctx, "lost", 2); err != nil {
		return err
	}
	all, err := c.dineThrough(ctx, p)
	if err != nil {
		return err
	}
	paid, err := settle(ctx, all)
	if err != nil {
		return err
	}
	sums, err := p.sums(ctx)
	if err != nil {
		return err
	}
	if sums.Captured-sums.Refunded != paid || paid == 0 || sums.Refunded == 0 {
		return fmt.Errorf("the provider has captured %d yen and refunded %d, and the orders are paid with %d", sums.Captured, sums.Refunded, paid)
	}
	say("   %d yen captured, %d refunded, %d paid by %d orders", sums.Captured, sums.Refunded, paid, diners*meals)
	return nil
}

// dineThrough lets guests order. When half of the orders are paid, the provider is killed; it comes back a little
// later.
func (c *canteen) dineThrough(ctx context.Context, p *provider) ([]*diner, error) {
	all := make([]*diner, diners)
	paid := make(chan struct{}, diners*meals)
	eating, eatingCtx := errgroup.WithContext(ctx)
	for i := range all {
		var err error
		if all[i], err = newDiner(ctx, c.client, paid); err != nil {
			return nil, err
		}
		eating.Go(func() error {
			for n := range meals {
				if err := all[i].dine(eatingCtx, i+n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range diners * meals / 2 {
		select {
		case <-paid:
		case <-eatingCtx.Done():
			return nil, errors.Join(eating.Wait(), ctx.Err())
		}
	}
	p.kill()
	say("   the payment provider is killed")
	err := errors.Join(wait.For(ctx, outage), eating.Wait())
	open := 0
	for _, d := range all {
		open += d.open
	}
	say("   the payment provider is back, %d payments were left open", open)
	return all, errors.Join(err, p.start(ctx))
}

// settle waits until all checkouts have ended, and returns what the orders are paid with.
func settle(ctx context.Context, all []*diner) (paid int64, err error) {
	var open []string
	err = until(ctx, settleLimit, "all checkouts to end", func(ctx context.Context) (bool, error) {
		paid, open = 0, nil
		for _, d := range all {
			for _, id := range d.orders {
				s, ended, err := d.settled(ctx, id)
				switch {
				case err != nil:
					return false, err
				case !ended:
					open = append(open, fmt.Sprintf("%s %s %s", id, s.Status, s.Checkout))
				case s.Checkout == order.CheckoutConfirmed:
					paid += s.Total
				}
			}
		}
		return len(open) == 0, nil
	})
	if err != nil && len(open) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.Join(open, ", "))
	}
	return paid, err
}
