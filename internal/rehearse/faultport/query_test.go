package faultport_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"gakushoku/internal/engine/query"
	"gakushoku/internal/rehearse/faultport"
)

func TestQueriesReportAPortThatFails(t *testing.T) {
	t.Parallel()
	list := func(r query.ListRequest) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			var all []query.Row
			for service, r := w.service(g), r; ; {
				page, err := service.List(ctx, r)
				if err != nil {
					return nil, err
				}
				all = append(all, page.Rows...)
				if r.Cursor = page.Next; page.Next == "" {
					return all, nil
				}
			}
		}
	}
	get := func(id string, version uint64) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return w.service(g).Get(ctx, id, version)
		}
	}
	sweepAll(t, []operation{
		{name: "list all orders", run: list(query.ListRequest{Limit: 2})},
		{name: "list those that are paid", run: list(query.ListRequest{Limit: 2, Value: "PAID"})},
		{name: "list a day", run: list(query.ListRequest{Limit: 4, Bucket: "2026-01-24"})},
		{name: "get an order", run: get("a26", 0)},
		{name: "get an order that the read model lacks", world: behind, run: get("b6", 2)},
		{name: "get an order that is not there", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			_, err := w.service(g).Get(ctx, "nobody", 1)
			if strings.Contains(fmt.Sprint(err), "no such order") {
				return "none", nil
			}
			return nil, err
		}},
		{name: "history", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return w.service(g).History(ctx, "a26")
		}},
		{name: "sales", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return w.service(g).Total(ctx, "2026-01-24")
		}},
	})
}
