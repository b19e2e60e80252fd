package observe

import "context"

type callerKey struct{}

// Caller is who asked, as the entrance identified them: API Gateway's authorizer on AWS, the
// name of the API key embedded. It is recorded as the actor of events. Authorisation will
// read it from here too.
type Caller struct {
	Name string // an opaque name of a user or key, never personal data; "" when anonymous
}

// WithCaller returns a context that knows who asked.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is who asked; the zero Caller when nobody said.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
