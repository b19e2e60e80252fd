package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	performer "gakushoku/internal/app/checkout"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/inmemory"
)

// trouble says what goes wrong with the next calls. Its zero value is: nothing.
type trouble struct {
	mu    sync.Mutex
	meets func(what string) bool // whether it goes wrong; nil for never
}

func (t *trouble) hits(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.meets != nil && t.meets(what)
}

func (t *trouble) set(meets func(string) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.meets = meets
}

// The things that can go wrong.
const (
	down       = "the provider is down"
	lost       = "the provider's answer is lost"
	declined   = "the payment is declined"
	unrecorded = "the event store does not take the outcome"
	unsaid     = "the event store does not say that it took the outcome"
)

var errTrouble = errors.New("trouble")

// provider is a provider with trouble.
type provider struct {
	payment.Provider
	*trouble
}

func (p provider) Capture(ctx context.Context, key string, yen int64) (payment.Receipt, error) {
	return p.meet(func() (payment.Receipt, error) { return p.Provider.Capture(ctx, key, yen) })
}

func (p provider) Void(ctx context.Context, key string) (payment.Receipt, error) {
	return p.meet(func() (payment.Receipt, error) { return p.Provider.Void(ctx, key) })
}

func (p provider) Refund(ctx context.Context, key, refund string, yen int64) (payment.Receipt, error) {
	return p.meet(func() (payment.Receipt, error) { return p.Provider.Refund(ctx, key, refund, yen) })
}

func (p provider) Lookup(ctx context.Context, key string) (payment.Receipt, error) {
	if p.hits(down) {
		return payment.Receipt{}, payment.Unavailable(errTrouble, 0)
	}
	return p.Provider.Lookup(ctx, key)
}

func (p provider) meet(call func() (payment.Receipt, error)) (payment.Receipt, error) {
	if p.hits(down) {
		return payment.Receipt{}, payment.Unavailable(errTrouble, 0)
	}
	r, err := call()
	if p.hits(lost) {
		return payment.Receipt{}, payment.Unknown(errTrouble)
	}
	return r, err
}

// streams is an event store with trouble.
type streams struct {
	command.Streams
	*trouble
}

func (s streams) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if s.hits(unrecorded) {
		return fault.Unavailable(errTrouble)
	}
	err := s.Streams.Append(ctx, stream, expected, events)
	if err == nil && s.hits(unsaid) {
		return fault.Unavailable(errTrouble)
	}
	return err
}

// till is a canteen with a provider. Guests' own commands meet no trouble.
type till struct {
	*inmemory.System
	trouble  trouble
	book     *ledger.Memory
	worker   *process.Worker
	commands *command.Handler // of guests
}

func newTill(t testing.TB) *till { t.Helper(); return newTillOf(t, checkout.Process()) }

// newTillOf is newTill with a revision of the process.
func newTillOf(t testing.TB, d model.Process) *till {
	s := &till{System: inmemory.NewOf(t, model.Projections{d.Projection}), book: &ledger.Memory{}}
	s.commands = &command.Handler{Streams: s.Events, Now: s.Now, NewID: s.NewID}
	l := &ledger.Ledger{Book: s.book, Declines: func(string, int64) string {
		if s.trouble.hits(declined) {
			return "stolen"
		}
		return ""
	}}
	s.worker = &process.Worker{
		Ports: process.Ports{
			Revisions: []model.Process{d}, Tables: s.Tables, Streams: s.Events, Now: s.Now,
			Pointers: &projection.CachedPointers{Source: s.Control, Now: s.Now},
		},
		Performer: &performer.Performer{
			Commands: &command.Handler{Streams: streams{s.Events, &s.trouble}, Now: s.Now, NewID: s.NewID},
			Payments: payment.Settled(provider{l, &s.trouble}), Now: s.Now,
		},
	}
	return s
}

const total = 780

// The day, and what each order has of the menu.
const day = "2026-01-24"

// placed appends an order.
func (s *till) placed(id string) {
	s.TB.Helper()
	s.Append(id, order.Placed{OrderID: id, Total: total, Day: day, PayBy: event.InstantOf(inmemory.Start.Add(24 * time.Hour)), Lines: []order.Line{
		{ProductID: "curry", Product: "カレー", Quantity: 1, UnitPrice: 580}, {ProductID: "tea", Product: "お茶", Quantity: 2, UnitPrice: 100},
	}})
}

// reserved appends an order and has its portions reserved.
func (s *till) reserved(id string) {
	s.TB.Helper()
	s.placed(id)
	s.Must(s.drive(id))
}

// portions sets how many there are of a product.
func (s *till) portions(product string, n int64) {
	s.TB.Helper()
	id := stock.ID(day, product)
	_, err := command.Execute(context.Background(), s.commands, stock.Rules,
		command.Request[stock.Command]{ID: id, Command: stock.SetPortions{StockID: id, Portions: n}, Key: s.NewID()})
	s.Must(err)
}

// stock returns the stock of a product.
func (s *till) stock(product string) stock.State {
	s.TB.Helper()
	state, _, err := command.Load(context.Background(), s.commands, stock.Rules, stock.ID(day, product))
	s.Must(err)
	return state
}

// command executes a guest's command.
func (s *till) command(id string, c order.Command) error {
	_, err := command.Execute(context.Background(), s.commands, order.Rules, command.Request[order.Command]{ID: id, Command: c, Key: s.NewID()})
	return err
}

func (s *till) pay(id, paymentID string) error {
	return s.command(id, order.PayOrder{Method: order.MethodCard, ByProvider: true, PaymentID: paymentID, At: event.InstantOf(s.Now())})
}

func (s *till) drive(id string) error {
	_, err := s.worker.Drive(context.Background(), order.Stream(id), nil)
	return err
}

// state returns the fold of an order.
func (s *till) state(id string) order.State {
	s.TB.Helper()
	state, _, err := command.Load(context.Background(), s.commands, order.Rules, id)
	s.Must(err)
	return state
}

func (s *till) wantState(id string, status order.Status, at order.Checkout) {
	s.TB.Helper()
	if got := s.state(id); got.Status != status || got.Checkout != at {
		s.TB.Errorf("order %s is %s with checkout %q, want %s with %q", id, got.Status, got.Checkout, status, at)
	}
}

func (s *till) wantSums(captured, refunded int64) {
	s.TB.Helper()
	got, err := ledger.SumsOf(context.Background(), s.book)
	s.Must(err)
	got.Payments = nil
	if diff := cmp.Diff(ledger.Sums{Captured: captured, Refunded: refunded}, got); diff != "" {
		s.TB.Errorf("the provider's book (-want +got):\n%s", diff)
	}
}

func TestADeclinedPaymentIsVoidedAndAnotherMayFollow(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.reserved("o1")
	s.Must(s.pay("o1", "p1"))
	s.trouble.set(func(what string) bool { return what == declined })
	s.Must(s.drive("o1"))
	s.wantState("o1", order.StatusOrdered, order.CheckoutReserved)
	if r, err := s.book.Receipt(t.Context(), "p1"); err != nil || r.Status != payment.StatusVoided {
		t.Errorf("the declined payment: %+v, %v", r, err)
	}
	s.trouble.set(nil)
	s.Must(s.pay("o1", "p2"))
	s.Must(s.drive("o1"))
	s.wantState("o1", order.StatusPaid, order.CheckoutConfirmed)
	s.wantSums(total, 0)
}

func TestALostAnswerIsLookedUpAndTheOrderIsPaid(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.reserved("o1")
	s.Must(s.pay("o1", "p1"))
	s.trouble.set(func(what string) bool { return what == lost })
	s.Must(s.drive("o1"))
	s.wantState("o1", order.StatusPaid, order.CheckoutConfirmed)
	s.wantSums(total, 0)
}

func TestADeadProviderLeavesThePaymentOpen(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.reserved("o1")
	s.Must(s.pay("o1", "p1"))
	s.trouble.set(func(what string) bool { return what == down })
	if err := s.drive("o1"); !errors.Is(err, payment.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	s.wantState("o1", order.StatusOrdered, order.CheckoutPaying)
	s.trouble.set(nil)
	s.Must(s.drive("o1"))
	s.wantState("o1", order.StatusPaid, order.CheckoutConfirmed)
}

func TestACaptureThatWasNotRecordedIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.reserved("o1")
	s.Must(s.pay("o1", "p1"))
	s.trouble.set(func(what string) bool { return what == unrecorded })
	if err := s.drive("o1"); err == nil {
		t.Error("the outcome was recorded")
	}
	s.wantSums(total, 0)
	s.trouble.set(nil)
	s.Must(s.drive("o1"))
	s.wantState("o1", order.StatusPaid, order.CheckoutConfirmed)
	s.wantSums(total, 0)
}

func TestAnOrderCalledOffWhileItsPaymentIsOpenIsSettled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before             func(*till)
		captured, refunded int64
	}{
		"nothing was captured": {func(*till) {}, 0, 0},
		"the money was captured and not recorded": {func(s *till) {
			s.trouble.set(func(what string) bool { return what == unrecorded })
			if err := s.drive("o1"); err == nil {
				s.TB.Error("the outcome was recorded")
			}
			s.trouble.set(nil)
		}, total, total},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTill(t)
			s.reserved("o1")
			s.Must(s.pay("o1", "p1"))
			c.before(s)
			s.Must(s.command("o1", order.CancelOrder{}))
			s.Must(s.drive("o1"))
			s.wantState("o1", order.StatusCancelled, order.CheckoutReleased)
			s.wantSums(c.captured, c.refunded)
		})
	}
}

func TestAnOrderOfWhatIsSoldOutIsTurnedDown(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.portions("curry", 5)
	s.portions("tea", 3)
	s.reserved("o0")
	s.reserved("o1")
	s.wantState("o1", order.StatusRejected, order.CheckoutReleased)
	if curry, tea := s.stock("curry"), s.stock("tea"); curry.Reserved != 1 || tea.Reserved != 2 {
		t.Errorf("%d portions of curry and %d of tea are reserved, want those of one order", curry.Reserved, tea.Reserved)
	}
}

func TestAnOrderThatIsNotPaidInTimeGivesItsPortionsBack(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.reserved("o0")
	s.Wait(25 * time.Hour)
	s.Must(s.drive("o0"))
	s.wantState("o0", order.StatusCancelled, order.CheckoutReleased)
	s.wantSettled(1)
}

func TestTheLastPortionIsSoldOnce(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.portions("tea", 2)
	const guests = 50
	var group sync.WaitGroup
	for n := range guests {
		id := fmt.Sprintf("o%d", n)
		s.placed(id)
		group.Go(func() {
			w := &process.Worker{Ports: s.worker.Ports, Performer: s.worker.Performer}
			for range 20 { // commands that lose too many races are tried again
				if _, err := w.Drive(context.Background(), order.Stream(id), nil); err == nil {
					return
				}
			}
			t.Error("it never ended")
		})
	}
	group.Wait()
	s.wantSettled(guests)
	if tea := s.stock("tea"); tea.Reserved != 2 || tea.Free() != 0 {
		t.Errorf("%d portions are reserved and %d free, want 2 and 0", tea.Reserved, tea.Free())
	}
}

func TestAPaymentWithoutAProviderWaits(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.worker.Performer.(*performer.Performer).Payments = nil
	s.reserved("o1")
	s.Must(s.pay("o1", "p1"))
	if err := s.drive("o1"); err == nil {
		t.Error("got no error, want one that says what to configure")
	}
	s.wantState("o1", order.StatusOrdered, order.CheckoutPaying)
}

func TestTwoWorkersAtOnceTakeTheMoneyOnce(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	var group sync.WaitGroup
	for n := range 20 {
		id := fmt.Sprintf("o%d", n)
		s.reserved(id)
		s.Must(s.pay(id, "pay-"+id))
		for range 2 {
			w := &process.Worker{Ports: s.worker.Ports, Performer: s.worker.Performer}
			group.Go(func() {
				if _, err := w.Drive(context.Background(), order.Stream(id), nil); err != nil {
					t.Error(err)
				}
			})
		}
		group.Go(func() { s.command(id, order.CancelOrder{}) }) //nolint:errcheck // it may come too late
	}
	group.Wait()
	s.wantSettled(20)
}

// wantSettled checks that no order is between states, and that money and portions add up.
func (s *till) wantSettled(n int) {
	s.TB.Helper()
	paid, sold, waiting := int64(0), int64(0), int64(0)
	for i := range n {
		id := fmt.Sprintf("o%d", i)
		s.Must(s.drive(id))
		switch got := s.state(id); got.Checkout {
		case order.CheckoutConfirmed:
			paid, sold = paid+got.Total, sold+1
		case order.CheckoutReserved:
			waiting++
		case order.CheckoutReleased:
		default:
			s.TB.Errorf("order %s is left in checkout %s", id, got.Checkout)
		}
	}
	sums, err := ledger.SumsOf(context.Background(), s.book)
	s.Must(err)
	if sums.Captured-sums.Refunded != paid {
		s.TB.Errorf("captured %d and refunded %d, but %d is paid", sums.Captured, sums.Refunded, paid)
	}
	for product, each := range map[string]int64{"curry": 1, "tea": 2} {
		if got := s.stock(product); got.Sold != sold*each || got.Reserved != waiting*each || got.Limited && got.Free() < 0 {
			s.TB.Errorf("of %s %d are sold, %d reserved, %d free; %d orders are confirmed and %d wait", product, got.Sold, got.Reserved, got.Free(), sold, waiting)
		}
	}
}

func TestWhateverGoesWrongTheMoneyAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := newTill(t)
		odds := rapid.IntRange(0, 60).Draw(r, "odds of trouble")
		s.trouble.set(func(what string) bool { return rapid.IntRange(1, 100).Draw(r, what) <= odds })
		const guests = 3
		if rapid.Bool().Draw(r, "short of tea") {
			s.portions("tea", 4)
		}
		for n := range guests {
			s.placed(fmt.Sprintf("o%d", n))
		}
		for n := range rapid.IntRange(1, 25).Draw(r, "actions") {
			id := fmt.Sprintf("o%d", rapid.IntRange(0, guests-1).Draw(r, "order"))
			switch rapid.SampledFrom([]string{"pay", "drive", "drive", "cancel"}).Draw(r, "action") {
			case "pay":
				s.pay(id, fmt.Sprintf("p%d", n)) //nolint:errcheck // the order may not be payable
			case "drive":
				s.drive(id) //nolint:errcheck // there is trouble
			case "cancel":
				s.command(id, order.CancelOrder{}) //nolint:errcheck // it may be called off already
			}
		}
		s.trouble.set(nil)
		s.wantSettled(guests)
		if t.Failed() {
			r.Fatal("see above")
		}
	})
}

// An installation from before a revision has its rows until they are rebuilt.
func TestRowsOfEachRevisionAreCarriedOut(t *testing.T) {
	t.Parallel()
	for _, p := range canteen.Processes().Named(checkout.Name) {
		s := newTillOf(t, p)
		s.reserved("o1")
		if at := s.state("o1").Checkout; at != order.CheckoutReserved {
			t.Errorf("revision %d: the checkout is %q, want %q", p.Revision, at, order.CheckoutReserved)
		}
	}
}
