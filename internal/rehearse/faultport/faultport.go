// Package faultport puts a gate in front of every call of the engine's ports, so that a test decides the
// fate of each: it goes through, fails before or after it took effect, or breaks off half-way. The
// simulation decides at random. Sweep lets each call of an operation fail in turn; the operation must
// report the failure or succeed anyway.
package faultport

import (
	"context"
	"reflect"
)

// Kind says what may happen to a call.
type Kind int

const (
	Reads       Kind = iota // changes nothing
	Writes                  // may take effect after its caller got an error
	Administers             // changes something, but not later
)

// Call is one call of a port on its way to the store.
type Call struct {
	Kind Kind
	Op   string // for people
	Do   func(context.Context) error
	// Half takes effect, or reads, in part, as a store that breaks off does; nil where the port is all
	// or nothing.
	Half func(context.Context) error
}

// Gate decides the fate of calls.
type Gate interface {
	Pass(ctx context.Context, c Call) error
}

// tell is a call that only returns an error.
func tell(ctx context.Context, g Gate, k Kind, op string, do func(context.Context) error) error {
	return g.Pass(ctx, Call{Kind: k, Op: op, Do: do})
}

// ask is a call that reads one thing. Half-way it has the first half of a list or map.
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

// turn is a call that reads a page. Half-way it looks like the last one.
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

// halfOf is the first half of a list, some half of a map, or nothing.
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
