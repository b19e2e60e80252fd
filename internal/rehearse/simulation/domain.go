package simulation

import (
	"fmt"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/loans"
)

// domain is whose events and rows a run plays with.
type domain struct {
	revisions []model.Projection // of the projection that is rebuilt
	view      model.View         // of its rows
	// next returns a random event to follow the at-th of a stream. roll returns a number below its argument.
	next func(id string, at int, now event.Instant, roll func(int) int) event.Payload
}

// domainOf returns the domain of a seed: usually the canteen.
func domainOf(seed uint64) domain {
	if seed%10 == 0 {
		return domain{revisionsOf[loans.Row](loans.Projection()), loans.View(), nextLoan}
	}
	return domain{revisionsOf[readmodel.Order](readmodel.Orders()), readmodel.OrdersView(), nextOfOrder}
}

// name returns the name of the projection that is rebuilt.
func (d domain) name() string { return d.revisions[0].Name }

// folds reports whether that projection folds a stream.
func (d domain) folds(stream string) bool { return d.revisions[0].Folds(stream) }

// day is a day in instants: payments fall on different ones, so that totals move.
const day = event.Instant(24 * time.Hour / time.Millisecond)

// nextOfOrder returns usually the next event of an order's life, sometimes one that no decider would return.
func nextOfOrder(id string, at int, now event.Instant, roll func(int) int) event.Payload {
	life := [...]event.Payload{
		order.Placed{OrderID: id, Total: 100 + int64(roll(9))},
		order.Paid{OrderID: id, PaidAt: now + event.Instant(roll(3))*day, Method: [...]order.PaymentMethod{order.MethodCash, order.MethodCard}[roll(2)]},
		order.PreparationStarted{OrderID: id}, order.Ready{OrderID: id}, order.PickedUp{OrderID: id},
	}
	switch roll(12) {
	case 0:
		return order.Cancelled{OrderID: id}
	case 1:
		return life[roll(len(life))]
	}
	return life[min(at, len(life)-1)]
}

// nextLoan takes a book and brings it back, again and again, and sometimes does neither in turn.
func nextLoan(id string, at int, _ event.Instant, roll func(int) int) event.Payload {
	if (at+roll(12)/11)%2 == 1 {
		return loans.Returned{LoanID: id}
	}
	return loans.Taken{LoanID: id, Book: fmt.Sprint("book-", roll(3))}
}
