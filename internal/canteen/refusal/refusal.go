// Package refusal holds the error that the canteen's rules refuse commands with.
package refusal

import "fmt"

// Error is a refusal by the rules. Code is stable and public. Detail tells a person what is wrong and what
// would be right.
type Error struct {
	Code   string
	Detail string
}

// New returns a refusal with a formatted detail.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Detail }

// DomainCode returns the stable code, such as "order/already-paid".
func (e *Error) DomainCode() string { return e.Code }

// Is makes refusals with the same code equal for errors.Is.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}
