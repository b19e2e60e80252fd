package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

func TestCommandsAreRecordedWithWhereTheyCameFrom(t *testing.T) {
	t.Parallel()
	events := memory.NewEvents()
	var refused []audit.Refusal
	h, err := httpapi.New(httpapi.Config{
		Parts:    httpapi.PartCommands,
		Commands: &command.Handler{Streams: events, Now: time.Now, NewID: observe.NewID},
		Identify: func(*http.Request) (observe.Caller, error) {
			return observe.Caller{Name: "u1", Role: "cashier", Scopes: observe.EveryScope}, nil
		},
		Refused: func(ctx context.Context, r audit.Refusal) {
			o := observe.OriginOf(ctx)
			if o.Address != "203.0.113.7" || o.Program != "till/2" || observe.CallerOf(ctx).Name != "u1" || o.Route == "" {
				t.Errorf("%+v", o)
			}
			refused = append(refused, r)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func(path, body string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("User-Agent", "till/2")
		r.RemoteAddr = "203.0.113.7:4711"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for i, want := range []int{201, 409} {
		if got := send("/orders", `{"orderId":"o1","total":780}`); got != want {
			t.Errorf("call %d: %d, want %d", i, got, want)
		}
	}
	send("/orders", `{"total":"x"}`)
	send("/orders/none/pay", `{"paymentMethod":"CARD"}`)
	if len(refused) != 3 || refused[0].Command != "PlaceOrder" || refused[0].On != "/orders" || refused[0].Code == "" || refused[1].Code == "" || refused[2].Command != "PayOrder" || refused[2].On != "/orders/none/pay" {
		t.Errorf("%+v", refused)
	}
	history, err := events.Load(t.Context(), "order-o1", 0)
	if err != nil || len(history) != 1 || history[0].Command != "PlaceOrder" || history[0].Role != "cashier" || history[0].Route != "POST /orders" || history[0].Actor != "u1" {
		t.Errorf("%+v, %v", history, err)
	}
}

// Of the commands that a caller's limit refuses, one a minute is recorded.
func TestTheFirstRefusalOfALimitIsRecorded(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	recorded := 0
	h, err := httpapi.New(httpapi.Config{
		Parts:    httpapi.PartCommands,
		Commands: &command.Handler{Streams: memory.NewEvents(), Now: time.Now, NewID: observe.NewID},
		Identify: func(*http.Request) (observe.Caller, error) {
			return observe.Caller{Name: "u1", Role: "cashier", Scopes: observe.EveryScope}, nil
		},
		Limiter: identity.NewLimiter(0.001, 1, func() time.Time { return now }),
		Refused: func(ctx context.Context, r audit.Refusal) {
			if observe.CallerOf(ctx).Name == "u1" && r.Code == identity.CodeThrottled {
				recorded++
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 0, time.Second, time.Minute} {
		now = now.Add(after)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", strings.NewReader(`{"total":780}`))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if recorded != 2 {
		t.Errorf("%d refusals were recorded", recorded)
	}
}
