package payment

import (
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/fault"
)

// Error is a refusal by the provider. Repeating the call does not help.
type Error struct {
	Code   string // stable and public
	Detail string
	Reason string // of CodeDeclined: the provider's own code, such as "insufficient-funds"
}

func (e *Error) Error() string { return e.Detail }

// DomainCode returns the stable code, such as "payment/declined".
func (e *Error) DomainCode() string { return e.Code }

// Is makes refusals with the same code equal for errors.Is.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// The codes of refusals. They are part of the provider's HTTP interface and of ours: never change one.
const (
	CodeDeclined        = "payment/declined"
	CodeVoided          = "payment/voided"
	CodeAlreadyCaptured = "payment/already-captured"
	CodeNotCaptured     = "payment/not-captured"
	CodeRefundTooHigh   = "payment/refund-too-high"
	CodeKeyReused       = "payment/key-reused"
	CodeInvalid         = "payment/invalid"
)

// Refused reports whether err is the refusal with a code.
func Refused(err error, code string) bool { return errors.Is(err, &Error{Code: code}) }

func refuse(code, format string, args ...any) error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// ErrUnavailable means that the call did not happen; the same call may succeed later.
var ErrUnavailable = errors.New("the payment provider is unavailable")

// ErrUnknownOutcome means that the call may or may not have happened: look the payment up, or repeat the call
// with the same keys.
var ErrUnknownOutcome = errors.New("the payment provider did not say what became of the call")

// failure is an error of a kind with its cause.
type failure struct{ kind, cause error }

func (f *failure) Error() string        { return f.kind.Error() + ": " + f.cause.Error() }
func (f *failure) Is(target error) bool { return target == f.kind }
func (f *failure) Unwrap() error        { return f.cause }

// causeOf returns the cause of a failure without its kind.
func causeOf(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return f.cause
	}
	return err
}

// Unavailable returns ErrUnavailable, an infrastructure error, with its cause and the time after which to try
// again.
func Unavailable(cause error, retryAfter time.Duration) error {
	return fault.UnavailableFor(&failure{ErrUnavailable, cause}, retryAfter)
}

// Unknown returns ErrUnknownOutcome, an infrastructure error, with its cause.
func Unknown(cause error) error { return fault.Unavailable(&failure{ErrUnknownOutcome, cause}) }
