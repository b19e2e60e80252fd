package order

// Error is a refusal by the rules. Code is stable and public. Detail tells a person what is wrong and what
// would be right.
type Error struct {
	Code   string
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// DomainCode returns the stable code, such as "order/already-paid".
func (e *Error) DomainCode() string { return e.Code }

// Is makes refusals with the same code equal for errors.Is.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// The codes of the refusals are part of the HTTP interface: never change one.
const (
	CodeNotFound          = "order/not-found"
	CodeAlreadyExists     = "order/already-exists"
	CodeAlreadyPaid       = "order/already-paid"
	CodeAlreadyPreparing  = "order/already-preparing"
	CodeAlreadyReady      = "order/already-ready"
	CodeAlreadyPickedUp   = "order/already-picked-up"
	CodeAlreadyCancelled  = "order/already-cancelled"
	CodeNotPaid           = "order/not-paid"
	CodeNotPreparing      = "order/not-preparing"
	CodeNotReady          = "order/not-ready"
	CodeTooLateToCancel   = "order/too-late-to-cancel"
	CodeInvalidID         = "order/invalid-id"
	CodeInvalidLines      = "order/invalid-lines"
	CodeInvalidAmount     = "order/invalid-amount"
	CodeTotalMismatch     = "order/total-mismatch"
	CodeInvalidMethod     = "order/invalid-payment-method"
	CodeInvalidReason     = "order/invalid-reason"
	CodeVersionNotReached = "order/version-not-reached" // the row is older than the reader requires
)
