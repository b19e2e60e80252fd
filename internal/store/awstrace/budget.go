package awstrace

import (
	"context"
	"sync/atomic"
)

// How many calls of one piece of work are recorded: so many of any kind, and after these so
// many that failed, were repeated or slow. A part of a rebuild puts hundreds of thousands of
// rows; all of them would fill memory, and each says the same.
const (
	maxCalls   = 200
	maxTelling = 200
)

type budgetKey struct{}

// budget is what is left to record. It is safe for concurrent use.
type budget struct{ calls, telling atomic.Int64 }

// WithBudget returns a context for one piece of work, such as an invocation, in which not more
// than a few hundred calls are recorded. Where no context has a budget all are.
func WithBudget(ctx context.Context) context.Context {
	return context.WithValue(ctx, budgetKey{}, &budget{})
}

func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}

// take reports whether a call is to be recorded, and whether it is the last one of its kind:
// who reads it should know that there may be more.
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
