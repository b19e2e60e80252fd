package observe

import (
	"context"
	"strings"
)

type callerKey struct{}

// EveryScope as a caller's scopes means that the caller may do everything. It is what callers of an
// installation without identity have.
const EveryScope = "*"

// Caller is who sent a request, after authentication. Its name is recorded as the actor of events.
type Caller struct {
	// Name is the opaque subject of a token, the id of a device key or of a guest's session; "" when
	// anonymous. It never names a person: no e-mail address, ARN or address on the net.
	Name string
	// Person is the name that the provider of a token gives; "" if it gives none. It is stored encrypted only, and
	// never logged.
	Person string
	// Role is what the caller's scopes come from, such as "kitchen"; "" when anonymous or without identity.
	Role string
	// Scopes are what the caller may do, separated by spaces as in OAuth. EveryScope is all of them.
	Scopes string
}

// Can reports whether the caller has a scope. Nobody has the scope "".
func (c Caller) Can(scope string) bool {
	if c.Scopes == EveryScope {
		return true
	}
	for one := range strings.FieldsSeq(c.Scopes) {
		if one == scope {
			return true
		}
	}
	return false
}

// WithCaller returns a context with the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller. If there is none, it returns the zero Caller, which may do nothing.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
