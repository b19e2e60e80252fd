package faultport_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/rehearse/faultport"
)

// damage leaves rows behind, wrong, and missing.
func damage(w *world) {
	w.spoil(v1, "a26")
	w.Pay("a14")
	w.Place("b6")
	w.Pay("b6")
}

// toldIn is an error when a problem that was found names a port that is broken as the reason.
func toldIn(problems []verify.Problem) error {
	for _, p := range problems {
		if strings.Contains(p.Reason, faultport.ErrBroken.Error()) {
			return errors.New(p.Reason)
		}
	}
	return nil
}

func TestVerificationsReportAPortThatFails(t *testing.T) {
	t.Parallel()
	verifying := func(fix bool) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			v, err := w.models(g).Verify(ctx, orders, 0, verify.Options{Fix: fix})
			if err == nil {
				err = toldIn(v.Problems)
			}
			if fix {
				return v.Sound, err
			}
			return v.Report, err
		}
	}
	healing := func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return nil, w.models(g).Heal(ctx, orders, []string{"a14", "a26", "a31"}, func(verify.Healed) error { return nil })
	}
	compare := func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		older := v1
		v := &verify.Verifier{Tables: w.rows(g), Streams: w.streams(g), Log: w.reader(g), Workers: 1, Now: w.Now}
		r, err := v.Rows(ctx, readmodel.Orders(), projection.Table{Projection: orders, Version: 2}, verify.Options{Against: &older})
		return r, err
	}
	sweepAll(t, []operation{
		{name: "verify rows that are sound", scans: true, run: verifying(false)},
		{name: "verify rows that are not", scans: true, world: damage, run: verifying(false)},
		{name: "verify and fix", scans: true, world: damage, run: verifying(true), state: (*world).shown},
		{name: "heal", scans: true, world: damage, run: healing, state: (*world).shown},
		{name: "compare versions", scans: true, world: func(w *world) { w.rebuild("first"); w.spoil(v1, "a26") }, run: compare},
		{name: "heal what is set aside", state: (*world).shown, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.models(g).HealParked(ctx, orders, func(verify.Healed) error { return nil })
		}},
		{name: "list what is set aside", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			var all []string
			err := w.models(g).EachParked(ctx, orders, func(r verify.ParkedRow) error { all = append(all, r.Stream); return nil })
			return all, err
		}},
		{name: "explain", world: damage, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return w.models(g).Explain(ctx, orders, "a26")
		}},
		{name: "explain by a stream that was never heard of", world: damage, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			_, err := w.models(g).Explain(ctx, orders, "nobody")
			if errors.Is(err, verify.ErrUnknown) {
				return "unknown", nil
			}
			return nil, err
		}},
		{name: "name streams", world: damage, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return w.models(g).StreamNames(ctx, orders, []string{"a14", "b6"})
		}},
	})
}
