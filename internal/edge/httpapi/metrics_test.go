package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
)

func TestEveryOperationIsMeasured(t *testing.T) {
	t.Parallel()
	metrics, text := observetest.Metrics(t)
	c := newCanteen(t, func(c *Config) { c.Metrics = metrics })
	for range 2 {
		c.send("POST /orders", `{"orderId":"o1","total":780}`, "Idempotency-Key: k1").want(t, http.StatusCreated, "")
	}
	c.send("POST /orders/o1/pickup", "").want(t, http.StatusConflict, "order/not-ready")
	c.send("GET /nowhere", "").want(t, http.StatusNotFound, codeNoRoute)
	c.send("BREW /orders", "") // whoever makes methods up makes no series of them
	c.send("STIR /orders", "")
	stored, err := c.events.Load(t.Context(), "order-o1", 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.projector.Apply(observe.WithMetrics(t.Context(), metrics), stored).Err(); err != nil {
			t.Fatal(err)
		}
	}
	shown := text()
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="201",http_route="/orders"} 2`,
		`http_server_request_duration_seconds_count{error_type="domain",http_request_method="POST",http_response_status_code="409",http_route="/orders/{id}/pickup"} 1`,
		`http_response_status_code="404",http_route=""} 1`,
		`http_server_request_duration_seconds_count{error_type="domain",http_request_method="_OTHER",http_response_status_code="405",http_route=""} 2`,
		`gakushoku_command_duration_seconds_count{gakushoku_command="PlaceOrder",gakushoku_result="OK"} 2`,
		`error_type="domain",gakushoku_command="PickUp",gakushoku_result="NG"} 1`,
		"gakushoku_events_appended_total 1\n", // the repeated command appended nothing
		`gakushoku_projection_events_total{gakushoku_projection="orders",gakushoku_result="applied"} 1`,
		`gakushoku_projection_events_total{gakushoku_projection="orders",gakushoku_result="duplicate"} 1`,
		`gakushoku_projection_lag_seconds_count{gakushoku_projection="orders"} 2`,
		`gakushoku_command_repeats_total{gakushoku_command="PlaceOrder"} 1`,
		`gakushoku_pointer_reads_total{gakushoku_cached="true"}`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if t.Failed() {
		t.Log(shown)
	}
}
