// Package fault classifies errors by who must act on them: the caller (domain), the platform (infra: try
// again) or us (bug). Log lines, HTTP statuses and alarms use the same classes.
package fault

import (
	"context"
	"errors"
	"time"
)

// Class says who must act on an error. Its values are the errorClass of log lines.
type Class string

// The three classes of infra/DESIGN.md section 5.
const (
	Domain Class = "domain" // the rules said no: the caller must ask for something else
	Infra  Class = "infra"  // a dependency failed or is busy: the same call may succeed later
	Bug    Class = "bug"    // anything else: the code is wrong
)

// DomainError is what a decider returns when the rules refuse a command. Code is stable
// and public, such as "loan/not-out".
type DomainError interface {
	error
	DomainCode() string
}

type infra struct {
	err        error
	retryAfter time.Duration
}

func (e *infra) Error() string { return e.err.Error() }
func (e *infra) Unwrap() error { return e.err }

// Unavailable marks err as infra: trying again may help. It returns nil for nil.
func Unavailable(err error) error { return UnavailableFor(err, 0) }

// UnavailableFor is Unavailable with the time after which to try again.
func UnavailableFor(err error, retryAfter time.Duration) error {
	if err == nil {
		return nil
	}
	return &infra{err: err, retryAfter: retryAfter}
}

// ClassOf returns the class of err. A cancelled or expired context counts as infra: the caller left or the
// time ran out, and neither is a defect.
func ClassOf(err error) Class {
	var domain DomainError
	if errors.As(err, &domain) {
		return Domain
	}
	var unavailable *infra
	if errors.As(err, &unavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Infra
	}
	return Bug
}

// RetryAfter returns the time to wait before trying again, 0 when err does not say.
func RetryAfter(err error) time.Duration {
	var unavailable *infra
	if errors.As(err, &unavailable) {
		return unavailable.retryAfter
	}
	return 0
}
