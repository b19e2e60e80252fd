package observe

import "context"

type originKey struct{}

// Origin is where the request of an operation came from. Address and program can name a person: they
// are stored encrypted only, and never logged.
type Origin struct {
	Route   string // of the interface, such as POST /loans
	Address string // of the caller on the net
	Program string // that the caller used
}

// WithOrigin returns a context with the origin of its request.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns the origin of the request, the zero Origin if there was none.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}
