package order

import (
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/event"
)

// StartPreparing records that the kitchen begins preparing a paid order.
type StartPreparing struct{}

// CommandName returns the name in log lines.
func (StartPreparing) CommandName() string { return "StartPreparing" }

func (StartPreparing) decide(s State) ([]event.Payload, error) {
	if err := must(s, StatusPaid, CodeAlreadyPreparing); err != nil {
		return nil, err
	}
	if s.Checkout == CheckoutConfirming {
		return nil, refusal.New(CodeNotConfirmed, "order %s is paid, but the sale of its portions is not recorded yet: try again in a moment", s.OrderID)
	}
	return []event.Payload{PreparationStarted{OrderID: s.OrderID}}, nil
}

// MarkReady records that a prepared order is waiting at the counter.
type MarkReady struct{}

// CommandName returns the name in log lines.
func (MarkReady) CommandName() string { return "MarkReady" }

func (MarkReady) decide(s State) ([]event.Payload, error) {
	if err := must(s, StatusPreparing, CodeAlreadyReady); err != nil {
		return nil, err
	}
	return []event.Payload{Ready{OrderID: s.OrderID}}, nil
}

// PickUp records that the guest has taken a ready order.
type PickUp struct{}

// CommandName returns the name in log lines.
func (PickUp) CommandName() string { return "PickUp" }

func (PickUp) decide(s State) ([]event.Payload, error) {
	if err := must(s, StatusReady, CodeAlreadyPickedUp); err != nil {
		return nil, err
	}
	return []event.Payload{PickedUp{OrderID: s.OrderID}}, nil
}

// progress ranks the states of an order that is not cancelled.
var progress = map[Status]int{StatusOrdered: 1, StatusPaid: 2, StatusPreparing: 3, StatusReady: 4, StatusPickedUp: 5}

// must refuses a command unless the order's status is want. If the order is beyond want, the code is
// already; otherwise it says what is missing.
func must(s State, want Status, already string) error {
	switch {
	case s.Status == want:
		return nil
	case !s.Exists() || s.Status == StatusCancelled || s.Status == StatusRejected:
		return refuse(s)
	case progress[s.Status] > progress[want]:
		return refusal.New(already, "order %s is %s: that step was done before", s.OrderID, s.Status)
	}
	return missing(s, want)
}

// missing refuses a step that comes too early.
func missing(s State, want Status) error {
	code := map[Status]string{StatusPaid: CodeNotPaid, StatusPreparing: CodeNotPreparing, StatusReady: CodeNotReady}[want]
	return refusal.New(code, "order %s is %s: it must be %s first", s.OrderID, s.Status, want)
}

// refuse returns the refusal for an order that allows no further step.
func refuse(s State) error {
	switch s.Status {
	case StatusCancelled:
		return refusal.New(CodeAlreadyCancelled, "order %s was cancelled", s.OrderID)
	case StatusRejected:
		return refusal.New(CodeRejected, "order %s was turned down, since its portions were not to be had", s.OrderID)
	case StatusPickedUp:
		return refusal.New(CodeAlreadyPickedUp, "order %s was picked up", s.OrderID)
	}
	return refusal.New(CodeNotFound, "there is no such order")
}
