// Package faultport puts a gate in front of every call of the engine's ports, so that a test decides the
// outcome of each: it succeeds, fails before or after it takes effect, or breaks off halfway. The simulation
// decides at random. Sweep lets each call of an operation fail in turn; the operation must report the
// failure or succeed anyway.
package faultport

import (
	"context"
	"reflect"
)

// Kind is a kind of call, which determines its possible outcomes.
type Kind int

const (
	Reads       Kind = iota // changes nothing
	Writes                  // may take effect after its caller received an error
	Administers             // changes something, but never after the call
)

// Call is one call of a port on its way to the store.
type Call struct {
	Kind Kind
	Op   string // for people to read
	Do   func(context.Context) error
	// Half takes effect, or reads, only partly, like a store that breaks off. It is nil for a port whose
	// calls are all or nothing.
	Half func(context.Context) error
}

// Gate decides the outcome of calls.
type Gate interface {
	Pass(ctx context.Context, c Call) error
}

// tell passes a call that only returns an error.
func tell(ctx context.Context, g Gate, k Kind, op string, do func(context.Context) error) error {
	return g.Pass(ctx, Call{Kind: k, Op: op, Do: do})
}

// ask passes a call that reads one value. Halfway, a list or a map has half of its elements.
func ask[T any](ctx context.Context, g Gate, op string, do func(context.Context) (T, error)) (got T, err error) {
	whole := func(ctx context.Context) (err error) {
		got, err = do(ctx)
		return err
	}
	err = g.Pass(ctx, Call{Reads, op, whole, func(ctx context.Context) error {
		err := whole(ctx)
		got = halfOf(got)
		return err
	}})
	return got, err
}

// turn passes a call that reads a page. Halfway, the page looks like the last one.
func turn[T any](ctx context.Context, g Gate, op string, do func(context.Context) ([]T, string, error)) (page []T, next string, err error) {
	whole := func(ctx context.Context) (err error) {
		page, next, err = do(ctx)
		return err
	}
	err = g.Pass(ctx, Call{Reads, op, whole, func(ctx context.Context) error {
		err := whole(ctx)
		page, next = halfOf(page), ""
		return err
	}})
	return page, next, err
}

// halfOf returns the first half of a list, any half of a map, or the zero value.
func halfOf[T any](whole T) (half T) {
	switch v := reflect.ValueOf(whole); v.Kind() {
	case reflect.Slice:
		reflect.ValueOf(&half).Elem().Set(v.Slice(0, v.Len()/2))
	case reflect.Map:
		for i, key := range v.MapKeys() {
			if i < (v.Len()+1)/2 {
				v.SetMapIndex(key, reflect.Value{})
			}
		}
		return whole
	}
	return half
}
