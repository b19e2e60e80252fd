package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/provider"
)

type paymentsCommands struct {
	Serve  paymentsServeCommand  `cmd:"" help:"Run a simulated provider of card payments, for rehearsals."`
	Ledger paymentsLedgerCommand `cmd:"" help:"Show the payments of a simulated provider, and their sums."`
}

// defaultBook is the folder of the simulated provider's book. It is not the canteen's: the provider is another
// company.
const defaultBook = "gakushoku-payments"

func (p *program) bookFolder() string {
	if p.dataGiven {
		return p.data
	}
	return defaultBook
}

type paymentsServeCommand struct {
	Addr   string `help:"Where to listen, as HOST:PORT. Default: ${default}." default:"127.0.0.1:8090" placeholder:"ADDR"`
	Secret string `help:"What callers must send as a bearer token. Give it in the environment: others can see arguments." env:"GAKUSHOKU_PAYMENT_SECRET" placeholder:"SECRET"`
}

func (paymentsServeCommand) Help() string {
	return `The provider keeps its book in --data, a folder of its own (default: ` + defaultBook + `); what it has answered survives kill -9. infra/payment-provider.md describes its HTTP interface. Faults are set with PUT /faults/KIND, listed with GET /faults, cleared with DELETE /faults, and end with the process:

    decline  new payments are declined, for "reason"
    slow     calls wait "delayMs" before they do anything
    lost     calls are carried out, then the connection breaks without an answer
    down     calls are answered with 503 and not carried out

"calls" limits a fault to so many calls, "forMs" to so long.

Examples:

    gakushoku payments serve
    gakushoku serve --payment-provider http://127.0.0.1:8090
    curl -X PUT http://127.0.0.1:8090/faults/lost -d '{"calls": 1}'
    curl -X PUT http://127.0.0.1:8090/faults/down -d '{"forMs": 60000}'`
}

func (c *paymentsServeCommand) Run(p *program) error {
	address, err := netip.ParseAddrPort(c.Addr)
	if err != nil {
		return usagef("--addr takes IP:PORT, such as 127.0.0.1:8090")
	}
	if !address.Addr().IsLoopback() && c.Secret == "" {
		return usagef("--addr %s can be reached from other machines: set GAKUSHOKU_PAYMENT_SECRET, since anyone could set faults", c.Addr)
	}
	listener, err := new(net.ListenConfig).Listen(p.ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s, choose another --addr: %w", c.Addr, err)
	}
	defer listener.Close()
	book, err := provider.OpenBook(p.ctx, p.bookFolder(), true)
	if err != nil {
		return err
	}
	err = p.printf("gakushoku simulates a payment provider on http://%s from %s\n", listener.Addr(), p.bookFolder())
	if err == nil {
		logger := observe.NewLogger(p.logWriter(), p.level, "payments")
		err = provider.Serve(p.ctx, listener, provider.Options{Book: book, Secret: c.Secret, Logger: logger})
	}
	return errors.Join(err, book.Close())
}

type paymentsLedgerCommand struct {
	URL    string `help:"The provider's address. Without it the book in --data is read." name:"url" placeholder:"URL"`
	Secret string `help:"The provider's secret, with --url. Give it in the environment: others can see arguments." env:"GAKUSHOKU_PAYMENT_SECRET" placeholder:"SECRET"`
	JSON   bool   `help:"Print JSON, one payment a line." name:"json"`
}

func (paymentsLedgerCommand) Help() string {
	return `Examples:

    gakushoku payments ledger
    gakushoku payments ledger --url http://127.0.0.1:8090 --json`
}

func (c *paymentsLedgerCommand) Run(p *program) error {
	if c.URL != "" {
		if err := checkAddress("--url", c.URL, "http://127.0.0.1:8090"); err != nil {
			return err
		}
		return c.show(p, c.fromURL)
	}
	book, err := provider.OpenBook(p.ctx, p.bookFolder(), false)
	if err != nil {
		return err
	}
	return errors.Join(c.show(p, book.Each), book.Close())
}

// fromURL reads the payments of a running provider.
func (c *paymentsLedgerCommand) fromURL(ctx context.Context, f func(payment.Receipt) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/ledger", http.NoBody)
	if err != nil {
		return usagef("--url: %v", err)
	}
	if c.Secret != "" {
		request.Header.Set("Authorization", "Bearer "+c.Secret)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking the provider: %w", err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusUnauthorized && c.Secret == "":
		return errors.New("asking the provider: it wants its secret: set GAKUSHOKU_PAYMENT_SECRET, or give --secret")
	case response.StatusCode == http.StatusUnauthorized:
		return errors.New("asking the provider: it has another secret than that of --secret or GAKUSHOKU_PAYMENT_SECRET")
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("asking the provider: %s has no ledger: is it the address that `gakushoku payments serve` has printed?", c.URL)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("asking the provider: it returned %s", response.Status)
	}
	for lines := json.NewDecoder(response.Body); ; {
		var r payment.Receipt
		switch err := lines.Decode(&r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the provider's answer: %w", err)
		}
		if err := f(r); err != nil {
			return err
		}
	}
}

// show prints the payments that each yields, and their sums.
func (c *paymentsLedgerCommand) show(p *program, each func(context.Context, func(payment.Receipt) error) error) error {
	if c.JSON {
		return each(p.ctx, func(r payment.Receipt) error { return p.printLine(r) })
	}
	var sums ledger.Sums
	list := newTable(p.stdout, "PAYMENT\tSTATUS\tYEN\tREFUNDED\tREASON")
	err := each(p.ctx, func(r payment.Receipt) error {
		sums.Add(r)
		list.line("%s\t%s\t%d\t%d\t%s", r.Key, r.Status, r.Yen, r.Refunded(), orDash(r.Reason))
		return nil
	})
	if err == nil {
		err = list.Flush()
	}
	if err != nil {
		return err
	}
	return p.printf("%d yen captured, %d of them refunded\n", sums.Captured, sums.Refunded)
}

// checkAddress refuses what is no address of HTTP.
func checkAddress(flag, text, example string) error {
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef("%s: %q is not an address such as %s", flag, text, example)
	}
	return nil
}
