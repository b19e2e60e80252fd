package top_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/scrape"
	"gakushoku/internal/operate/top"
)

func reading(t *testing.T, second int, text string) top.Reading {
	t.Helper()
	samples, err := scrape.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return top.Reading{At: time.Date(2026, 1, 24, 0, 0, second, 0, time.UTC), Samples: samples, Health: health.Report{Status: health.OK}}
}

const before = `http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/orders",le="0.1"} 10
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/orders",le="+Inf"} 10
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/orders"} 10
gakushoku_projection_events_total{gakushoku_result="applied"} 3
gakushoku_pointer_reads_total{gakushoku_cached="true"} 10
gakushoku_rebuild_events_total{gakushoku_projection="meals",gakushoku_step="Replay"} 7
`

const after = `http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/orders",le="0.1"} 14
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/orders",le="+Inf"} 14
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/orders"} 14
http_server_request_duration_seconds_bucket{error_type="domain",http_request_method="PUT",http_response_status_code="404",http_route="",le="0.1"} 0
http_server_request_duration_seconds_bucket{error_type="domain",http_request_method="PUT",http_response_status_code="404",http_route="",le="+Inf"} 1
http_server_request_duration_seconds_count{error_type="domain",http_request_method="PUT",http_response_status_code="404",http_route=""} 1
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/health"} 1
gakushoku_command_duration_seconds_bucket{gakushoku_command="PayOrder",gakushoku_result="OK",le="1"} 2
gakushoku_command_duration_seconds_bucket{gakushoku_command="PayOrder",gakushoku_result="OK",le="+Inf"} 2
gakushoku_command_duration_seconds_count{gakushoku_command="PayOrder",gakushoku_result="OK"} 2
gakushoku_command_conflicts_total{gakushoku_command="PayOrder"} 1
gakushoku_command_repeats_total{gakushoku_command="PayOrder"} 3
gakushoku_events_appended_total 2
system_cpu_utilization_ratio 0.25
system_filesystem_utilization_ratio 0.5
gakushoku_projection_events_total{gakushoku_result="applied"} 5
gakushoku_projection_events_total{gakushoku_result="parked"} 1
gakushoku_projection_lag_seconds_bucket{gakushoku_projection="orders",le="0.1"} 2
gakushoku_projection_lag_seconds_bucket{gakushoku_projection="orders",le="+Inf"} 2
gakushoku_projection_lag_seconds_count{gakushoku_projection="orders"} 2
gakushoku_projection_parked{gakushoku_projection="orders"} 1
gakushoku_projection_heals_total{gakushoku_projection="orders"} 4
gakushoku_log_head 5
gakushoku_pointer_reads_total{gakushoku_cached="true"} 13
gakushoku_pointer_reads_total{gakushoku_cached="false"} 1
gakushoku_rebuild_planned{gakushoku_projection="orders"} 900
gakushoku_rebuild_events_total{gakushoku_projection="meals",gakushoku_step="Replay"} 7
gakushoku_rebuild_events_total{gakushoku_projection="orders",gakushoku_step="Replay"} 100
`

func TestWhatHappenedBetweenTwoReadings(t *testing.T) {
	t.Parallel()
	got := top.Between(reading(t, 0, before), reading(t, 2, after))
	ms := func(v float64) *float64 { return &v }
	want := top.Page{
		At: got.At, Seconds: 2, Health: health.Report{Status: health.OK},
		Requests: []top.Rate{
			{Name: "GET /orders", Result: "200", PerSecond: 2, Quantiles: top.Quantiles{P50Ms: ms(50), P95Ms: ms(95)}},
			{Name: "PUT (no such route)", Result: "404", ErrorClass: "domain", PerSecond: 0.5, Quantiles: top.Quantiles{P50Ms: ms(100), P95Ms: ms(100)}},
		},
		Commands: []top.Rate{{Name: "PayOrder", Result: "OK", PerSecond: 1, Quantiles: top.Quantiles{P50Ms: ms(500), P95Ms: ms(950)}}},
		Errors:   map[string]float64{"domain": 0.5}, AppendedPerSecond: 1, ConflictsPerSecond: 0.5, RepeatsPerSecond: 1.5, Machine: top.Machine{CPU: ms(0.25), Disk: ms(0.5)},
		Delivered:   map[string]float64{"applied": 1, "parked": 0.5},
		Projections: []top.Projection{{Name: "orders", Lag: top.Quantiles{P50Ms: ms(50), P95Ms: ms(95)}, HealsPerSecond: 2, Parked: ms(1)}},
		Log:         top.Log{Head: ms(5)}, PointerHits: ms(0.75),
		Rebuilds: []top.Rebuild{{Projection: "orders", Planned: 900, PerSecond: map[string]float64{"Replay": 50}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A server that has just begun, one that began anew between the readings, and one that did
// nothing: there is a page of each, without numbers that JSON cannot have.
func TestAnyTwoReadingsMakeAPage(t *testing.T) {
	t.Parallel()
	for _, texts := range [][2]string{{"", ""}, {after, before}, {after, after}, {"", after}} {
		page := top.Between(reading(t, 0, texts[0]), reading(t, 1, texts[1]))
		if _, err := json.Marshal(page); err != nil {
			t.Error(err)
		}
		for _, r := range append(page.Requests, page.Commands...) {
			if r.PerSecond < 0 {
				t.Errorf("%+v", r)
			}
		}
	}
}
