package observe

import (
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The options of a series are kept: each has to stay that of its own outcome.
func TestEachOutcomeIsASeriesOfItsOwn(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	m, err := NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	if err != nil {
		t.Fatal(err)
	}
	bug := errors.New("a bug")
	for range 2 {
		m.Request(t.Context(), "POST", "/orders", 201, time.Millisecond, nil)
		m.Request(t.Context(), "POST", "/orders", 500, time.Millisecond, bug)
		m.Request(t.Context(), "GET", "/orders", 200, time.Millisecond, nil)
		m.Command(t.Context(), "PlaceOrder", time.Millisecond, 1, nil)
		m.Command(t.Context(), "PlaceOrder", time.Millisecond, 0, bug)
		m.Command(t.Context(), "PayOrder", time.Millisecond, 1, nil)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	series := map[attribute.Distinct]uint64{}
	for _, metric := range all.ScopeMetrics[0].Metrics {
		if histogram, ok := metric.Data.(metricdata.Histogram[float64]); ok {
			for _, point := range histogram.DataPoints {
				series[point.Attributes.Equivalent()] += point.Count
			}
		}
	}
	want := [][]attribute.KeyValue{
		{attribute.String("http.request.method", "POST"), attribute.String("http.route", "/orders"), attribute.Int("http.response.status_code", 201)},
		{attribute.String("http.request.method", "POST"), attribute.String("http.route", "/orders"), attribute.Int("http.response.status_code", 500), attribute.String(AttrErrorClass, "bug")},
		{attribute.String("http.request.method", "GET"), attribute.String("http.route", "/orders"), attribute.Int("http.response.status_code", 200)},
		{attribute.String(AttrCommand, "PlaceOrder"), attribute.String(AttrResult, ResultOK)},
		{attribute.String(AttrCommand, "PlaceOrder"), attribute.String(AttrResult, ResultNG), attribute.String(AttrErrorClass, "bug")},
		{attribute.String(AttrCommand, "PayOrder"), attribute.String(AttrResult, ResultOK)},
	}
	for _, attributes := range want {
		set := attribute.NewSet(attributes...)
		if got := series[set.Equivalent()]; got != 2 {
			t.Errorf("%s was measured %d times, want 2", set.Encoded(attribute.DefaultEncoder()), got)
		}
	}
	if len(series) != len(want) {
		t.Errorf("there are %d series, want %d", len(series), len(want))
	}
}
