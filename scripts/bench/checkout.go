package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/rehearse/loadgen"
	"gakushoku/internal/rehearse/provider"
)

// runCheckout measures whole checkouts of an embedded server over HTTP: a guest orders a dish of the menu and
// pays by card, so that portions are reserved, the money is captured at a payment provider with a durable
// book, and the portions are sold before the response. As a baseline, guests do the same with orders that have
// no checkout.
func runCheckout(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("checkout", flag.ContinueOnError)
	duration := flags.Duration("for", 5*time.Second, "how long each measurement takes")
	rounds := flags.Int("rounds", 3, "how often each is measured; the median counts")
	if err := flags.Parse(args); err != nil {
		return helped(err)
	}
	dir, err := os.MkdirTemp("", "gakushoku-checkout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	book, err := provider.OpenBook(ctx, filepath.Join(dir, "payments"), true)
	if err != nil {
		return err
	}
	defer book.Close()
	payments := httptest.NewServer(provider.New(provider.Options{Book: book, Logger: zerolog.Nop()}))
	defer payments.Close()
	card, err := payment.NewCard(payments.URL, "")
	if err != nil {
		return err
	}
	defer card.Close()
	server, err := loadgen.Serve(ctx, embedded.ServeOptions{Dir: filepath.Join(dir, "data"), Addr: "127.0.0.1:0", Level: zerolog.InfoLevel, Payments: card}, nil)
	if err != nil {
		return err
	}
	defer server.Stop() //nolint:errcheck // the measurements are done
	if err := openMenu(ctx, server.URL); err != nil {
		return err
	}
	if err := raceCheckouts(ctx, server.URL, *duration, *rounds, r); err != nil {
		return err
	}
	return checkBook(ctx, book)
}

// dishes is how many dishes are on the menu of the bench: each is a stream of its own.
const dishes = 20

func openMenu(ctx context.Context, url string) error {
	client := loadgen.NewClient(url, loadgen.Patience)
	for n := range dishes {
		dish := map[string]any{"nameJa": "カレー", "price": 580, "offered": true}
		if _, err := client.Send(ctx, http.MethodPut, fmt.Sprintf("/products/dish-%d", n), nil, dish, new(any)); err != nil {
			return err
		}
	}
	return nil
}

// checkBook wants the provider to have captured something.
func checkBook(ctx context.Context, book *provider.Book) error {
	sums, err := ledger.SumsOf(ctx, book)
	if err == nil && sums.Captured == 0 {
		err = errors.New("no payment was captured: nothing was measured")
	}
	return err
}

func raceCheckouts(ctx context.Context, url string, d time.Duration, rounds int, r *report) error {
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "clients\torders\torders/s\tp50 ms\tp95 ms\t")
	kinds := []struct{ name, line string }{
		{"with checkout", `{"orderId":%q,"lines":[{"productId":"dish-%d","quantity":1}]}`},
		{"without", `{"orderId":%q,"lines":[{"product":"dish %d","quantity":1,"unitPrice":580}]}`},
	}
	for _, clients := range clientCounts {
		measured := make([]load, len(kinds))
		for i, k := range kinds {
			var loads []load
			for round := range rounds {
				times, err := measureCheckouts(ctx, url, k.line, clients, fmt.Sprintf("c%d-%d-%d", clients, i, round), d)
				if err != nil {
					return fmt.Errorf("%s: %w", k.name, err)
				}
				loads = append(loads, loadOf(times, d))
			}
			measured[i] = medianLoad(loads)
			fmt.Fprintf(table, "%d\t%s\t%.0f\t%.2f\t%.2f\t\n", clients, k.name, measured[i].rate, measured[i].p50, measured[i].p95)
		}
		what := "orders through checkout, " + plural(clients, "client")
		r.add(figure{what: what, ours: measured[0].rate, unit: "/s", baseline: kinds[1].name, theirs: measured[1].rate})
		r.add(figure{what: what + ": p95", ours: measured[0].p95, unit: "ms", baseline: kinds[1].name, theirs: measured[1].p95})
	}
	return table.Flush()
}

// measureCheckouts lets clients order and pay for some time, and returns how long each order took in
// milliseconds.
func measureCheckouts(ctx context.Context, url, line string, clients int, name string, d time.Duration) ([]float64, error) {
	m := &measured{}
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	var times []float64
	var mu sync.Mutex
	until := time.Now().Add(d)
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := 0; time.Now().Before(until) && ctx.Err() == nil; i++ {
				id, began := fmt.Sprintf("%s-%d-%d", name, c, i), time.Now()
				err := m.command(client, url+"/orders", fmt.Sprintf(line, id, (c+i)%dishes))
				if err == nil {
					err = m.command(client, url+"/orders/"+id+"/pay", `{"paymentMethod":"CARD"}`)
				}
				if err != nil {
					m.fail(err)
					return
				}
				mu.Lock()
				times = append(times, time.Since(began).Seconds()*1000)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return times, errors.Join(m.failure, ctx.Err())
}
