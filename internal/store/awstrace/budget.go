package awstrace

import (
	"context"
	"sync/atomic"
)

// How many calls of one piece of work are recorded: maxCalls of any kind, then maxTelling that failed,
// were repeated or were slow. A part of a rebuild writes hundreds of thousands of rows: their spans would
// fill memory, and all look alike.
const (
	maxCalls   = 200
	maxTelling = 200
)

type budgetKey struct{}

// budget counts recorded calls. It is safe for concurrent use.
type budget struct{ calls, telling atomic.Int64 }

// WithBudget returns a context for one piece of work, such as an invocation, in which at most a few
// hundred calls are recorded. Without a budget all are.
func WithBudget(ctx context.Context) context.Context {
	return context.WithValue(ctx, budgetKey{}, &budget{})
}

func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}

// take reports whether to record a call, and whether it is the last one of its kind, which tells readers
// that there may be more.
func (b *budget) take(telling bool) (wanted, last bool) {
	if b == nil {
		return true, false
	}
	if n := b.calls.Add(1); n <= maxCalls {
		return true, n == maxCalls
	}
	if !telling {
		return false, false
	}
	n := b.telling.Add(1)
	return n <= maxTelling, n == maxTelling
}
