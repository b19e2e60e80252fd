// Package promtext shows a process's metrics in Prometheus' text format. The exporter of
// OpenTelemetry for it brings Prometheus' client with it, six modules for what is a page of
// text; this reads the SDK and writes that page.
package promtext

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// ContentType is that of the text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Handler answers with what reader reads.
func Handler(reader sdkmetric.Reader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var all metricdata.ResourceMetrics
		if err := reader.Collect(r.Context(), &all); err != nil {
			http.Error(w, "the metrics cannot be read", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", ContentType)
		Write(w, all) //nolint:errcheck // whoever asked has gone away
	})
}

// Read is the text of what reader reads.
func Read(ctx context.Context, reader sdkmetric.Reader) (string, error) {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		return "", fmt.Errorf("reading the metrics: %w", err)
	}
	var text strings.Builder
	err := Write(&text, all)
	return text.String(), err
}

// Write writes metrics in the order of their names, and series in the order of their labels.
func Write(w io.Writer, all metricdata.ResourceMetrics) error {
	var metrics []metricdata.Metrics
	for _, scope := range all.ScopeMetrics {
		metrics = append(metrics, scope.Metrics...)
	}
	slices.SortFunc(metrics, func(a, b metricdata.Metrics) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range metrics {
		if _, err := io.WriteString(w, textOf(m)); err != nil {
			return err
		}
	}
	return nil
}

func textOf(m metricdata.Metrics) string {
	name := nameOf(m.Name)
	if m.Unit == "s" {
		name += "_seconds"
	}
	if m.Unit == "1" {
		name += "_ratio"
	}
	var kind string
	var series []string
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		kind, name = "counter", name+"_total"
		for _, p := range data.DataPoints {
			series = append(series, line(name, labels(p.Attributes), float64(p.Value)))
		}
	case metricdata.Gauge[int64]:
		kind = "gauge"
		for _, p := range data.DataPoints {
			series = append(series, line(name, labels(p.Attributes), float64(p.Value)))
		}
	case metricdata.Gauge[float64]:
		kind = "gauge"
		for _, p := range data.DataPoints {
			series = append(series, line(name, labels(p.Attributes), p.Value))
		}
	case metricdata.Histogram[float64]:
		kind = "histogram"
		for _, p := range data.DataPoints {
			series = append(series, histogram(name, p))
		}
	default:
		return "" // there are no other kinds in package observe; a test knows
	}
	slices.Sort(series)
	return "# HELP " + name + " " + escape(m.Description, false) + "\n# TYPE " + name + " " + kind + "\n" + strings.Join(series, "")
}

func histogram(name string, p metricdata.HistogramDataPoint[float64]) string {
	var text strings.Builder
	own := labels(p.Attributes)
	count := uint64(0)
	for i, n := range p.BucketCounts {
		count += n
		bound := "+Inf"
		if i < len(p.Bounds) {
			bound = number(p.Bounds[i])
		}
		text.WriteString(line(name+"_bucket", append(slices.Clone(own), `le="`+bound+`"`), float64(count)))
	}
	text.WriteString(line(name+"_sum", own, p.Sum))
	text.WriteString(line(name+"_count", own, float64(p.Count)))
	return text.String()
}

func line(name string, labels []string, value float64) string {
	if len(labels) > 0 {
		name += "{" + strings.Join(labels, ",") + "}"
	}
	return name + " " + number(value) + "\n"
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// labels are attributes in the order of their names.
func labels(set attribute.Set) []string {
	var all []string
	for _, a := range set.ToSlice() {
		all = append(all, nameOf(string(a.Key))+`="`+escape(a.Value.String(), true)+`"`)
	}
	return all
}

// nameOf is a name with nothing in it that Prometheus does not allow.
func nameOf(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, s)
}

func escape(s string, quoted bool) string {
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(s)
	if quoted {
		s = strings.ReplaceAll(s, `"`, `\"`)
	}
	return s
}
