package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/provider"
)

// bookEnv makes the test binary a payment provider with its book in the folder that it names, at the address
// in paymentsEnv. For a server, paymentsEnv is its provider.
const (
	bookEnv     = "GAKUSHOKU_TEST_BOOK"
	paymentsEnv = "GAKUSHOKU_TEST_PAYMENTS"
)

func paymentsOf(address string) (payment.Provider, error) {
	if address == "" {
		return nil, nil
	}
	return payment.NewCard("http://"+address, "")
}

func provideForEver(dir, address string) {
	ctx := context.Background()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		var book *provider.Book
		if book, err = provider.OpenBook(ctx, dir, true); err == nil {
			fmt.Println(address)
			err = provider.Serve(ctx, listener, provider.Options{Book: book, Logger: zerolog.Nop()})
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// lunch is a canteen and a payment provider, each a process that may be killed.
type lunch struct {
	t         *testing.T
	dir, book string
	address   string // of the provider
	url       atomic.Pointer[string]
	server    *exec.Cmd
	provider  *exec.Cmd
	client    *http.Client
	orders    atomic.Int64
}

func newLunch(t *testing.T) *lunch {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lunch{t: t, dir: filepath.Join(t.TempDir(), "data"), book: t.TempDir(), address: free.Addr().String(), client: &http.Client{Timeout: 15 * time.Second}}
	free.Close()
	l.startProvider()
	l.startServer()
	t.Cleanup(func() {
		l.client.CloseIdleConnections()
		for _, process := range []*exec.Cmd{l.server, l.provider} {
			process.Process.Kill() //nolint:errcheck // the test is over
			process.Wait()         //nolint:errcheck // the test is over
		}
	})
	return l
}

func (l *lunch) startServer() {
	l.t.Helper()
	url, process := startServer(l.t, l.dir, paymentsEnv+"="+l.address)
	l.server = process
	l.url.Store(&url)
}

func (l *lunch) startProvider() {
	l.t.Helper()
	_, l.provider = startServer(l.t, "", bookEnv+"="+l.book, paymentsEnv+"="+l.address)
}

func (l *lunch) kill(process *exec.Cmd) {
	l.t.Helper()
	if err := process.Process.Kill(); err != nil {
		l.t.Fatal(err)
	}
	process.Wait() //nolint:errcheck // it was killed
}

// send sends a request, and returns the status; 0 if there was no response.
func (l *lunch) send(method, url, body, key string) int {
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		l.t.Error(err)
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	response, err := l.client.Do(r)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func (l *lunch) must(method, path, body string) {
	l.t.Helper()
	if status := l.send(method, *l.url.Load()+path, body, ""); status >= 300 || status == 0 {
		l.t.Fatalf("%s %s: %d", method, path, status)
	}
}

// eat is a guest who orders, pays by card and sometimes calls the order off, again and again until ctx ends.
func (l *lunch) eat(ctx context.Context, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("%s-%d", name, n)
		url := *l.url.Load() + "/orders"
		if l.send(http.MethodPost, url, fmt.Sprintf(`{"orderId":%q,"lines":[{"productId":"curry","quantity":1},{"productId":"tea","quantity":2}]}`, id), id) != http.StatusCreated {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		l.orders.Add(1)
		for range 3 {
			if l.send(http.MethodPost, url+"/"+id+"/pay", `{"paymentMethod":"CARD"}`, id+"-pay") == http.StatusOK {
				break
			}
		}
		if n%4 == 3 {
			l.send(http.MethodPost, url+"/"+id+"/cancel", "", id+"-cancel")
		}
	}
}

// fault makes the provider misbehave.
func (l *lunch) fault() {
	fault := []string{"decline", "lost", "down"}[rand.IntN(3)]
	l.send(http.MethodPut, "http://"+l.address+"/faults/"+fault, fmt.Sprintf(`{"calls":%d}`, 1+rand.IntN(3)), "")
}

// settled reports whether no order is between states, and adds up what the orders and the stock say.
func (l *lunch) settled() (open int, money, curry int64, err error) {
	folder, err := embedded.OpenFolder(l.t.Context(), l.dir)
	if err != nil {
		return 0, 0, 0, err
	}
	defer folder.Close()
	orders, stocks := map[string]order.State{}, map[string]stock.State{}
	for cursor := ""; err == nil; {
		var events []event.Event
		if events, cursor, err = folder.Events.Read(l.t.Context(), cursor, 1000); err != nil || len(events) == 0 {
			break
		}
		for i := range events {
			switch e := &events[i]; {
			case strings.HasPrefix(e.Stream, order.StreamPrefix):
				orders[e.Stream], err = order.Evolve(orders[e.Stream], e)
			case strings.HasPrefix(e.Stream, stock.Rules.Kind.Prefix):
				stocks[e.Stream], err = stock.Evolve(stocks[e.Stream], e)
			}
			if err != nil {
				return 0, 0, 0, err
			}
		}
	}
	confirmed, reserved := int64(0), int64(0)
	for _, s := range orders {
		switch s.Checkout {
		case order.CheckoutConfirmed:
			money, confirmed = money+s.Total, confirmed+1
		case order.CheckoutReserved:
			reserved++
		case order.CheckoutReleased:
		default:
			open++
		}
	}
	for _, s := range stocks {
		_, product, splitErr := stock.Split(s.StockID)
		err = errors.Join(err, splitErr)
		if s.Limited && s.Free()+s.Reserved+s.Sold != s.Portions || s.Limited && s.Free() < 0 {
			err = errors.Join(err, fmt.Errorf("portions do not add up: %+v", s))
		}
		if product == "curry" {
			curry += s.Sold + s.Reserved
		}
	}
	if curry != confirmed+reserved && open == 0 {
		err = errors.Join(err, fmt.Errorf("%d portions of curry are held, %d orders are confirmed and %d reserved", curry, confirmed, reserved))
	}
	return open, money, curry, err
}

// TestMoneyAndPortionsAddUpAfterKill9 kills the server or the payment provider at any moment during checkouts.
// After both are up again, every order ends, and orders, stock and the provider's book agree.
func TestMoneyAndPortionsAddUpAfterKill9(t *testing.T) {
	t.Parallel()
	l := newLunch(t)
	l.must(http.MethodPut, "/products/curry", `{"nameJa":"カレー","price":580,"offered":true}`)
	l.must(http.MethodPut, "/products/tea", `{"nameJa":"お茶","price":100,"offered":true}`)
	l.must(http.MethodPut, "/stock/"+day.Of(event.InstantOf(time.Now()))+"/curry", `{"portions":100000}`)
	for round := range *crashes {
		ctx, stop := context.WithCancel(t.Context())
		var guests sync.WaitGroup
		for g := range 4 {
			guests.Go(func() { l.eat(ctx, fmt.Sprintf("r%dg%d", round, g)) })
		}
		l.fault()
		time.Sleep(time.Duration(50+rand.IntN(150)) * time.Millisecond)
		if round%2 == 0 {
			l.kill(l.server)
			l.startServer()
		} else {
			l.kill(l.provider)
			time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
			l.startProvider()
		}
		stop()
		guests.Wait()
	}
	l.send(http.MethodDelete, "http://"+l.address+"/faults", "", "")
	l.wantAllSettled()
}

// wantAllSettled waits until the worker has ended every checkout, and compares the books.
func (l *lunch) wantAllSettled() {
	l.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		open, money, curry, err := l.settled()
		if err != nil {
			l.t.Fatal(err)
		}
		if open > 0 && time.Now().Before(deadline) {
			time.Sleep(500 * time.Millisecond)
			continue
		}
		sums := l.sums()
		if open > 0 || sums.Captured-sums.Refunded != money || money == 0 {
			l.t.Errorf("%d orders are between states; captured %d, refunded %d, but %d is paid", open, sums.Captured, sums.Refunded, money)
		}
		l.t.Logf("%d rounds, %d orders placed, %d yen captured, %d refunded, %d portions held, %v", *crashes, l.orders.Load(), sums.Captured, sums.Refunded, curry, sums.Payments)
		return
	}
}

func (l *lunch) sums() (sums ledger.Sums) {
	l.t.Helper()
	response, err := l.client.Get("http://" + l.address + "/ledger/sums")
	if err != nil {
		l.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&sums); err != nil {
		l.t.Fatal(err)
	}
	return sums
}
