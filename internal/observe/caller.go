package observe

import "context"

type callerKey struct{}

// Caller is the authenticated caller: from API Gateway's authorizer on AWS, or the name of the API key
// in an embedded server. It is recorded as the actor of events.
type Caller struct {
	Name string // an opaque name of a user or key, never personal data; "" when anonymous
}

// WithCaller returns a context with the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller, the zero Caller if there is none.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
