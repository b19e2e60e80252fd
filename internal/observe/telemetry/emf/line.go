package emf

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxMetrics is the format's maximum per line.
const maxMetrics = 100

// directive and metric tell CloudWatch which members of a line are metrics.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

type metric struct{ Name, Unit string }

// line is one line of the log.
type line struct {
	members    map[string]any // the values of metrics and dimensions, and the fields of log lines
	directives []directive
	metrics    int
}

// measurement is the part of a line that belongs to one metric.
type measurement struct {
	metric metric
	value  any // an int64, or numbers
	values map[string]string
	sets   [][]string
}

// lines puts measurements into as few lines as possible. A line has one value per dimension.
func (r *Reader) lines(ctx context.Context, all metricdata.ResourceMetrics) []*line {
	var lines []*line
	for _, m := range measured(all) {
		i := slices.IndexFunc(lines, func(l *line) bool { return l.takes(m) })
		if i < 0 {
			i, lines = len(lines), append(lines, r.begin(ctx))
		}
		lines[i].put(r.options.Namespace, m)
	}
	return lines
}

// begin returns a line with the fields of every log line.
func (r *Reader) begin(ctx context.Context) *line {
	l := &line{members: map[string]any{"level": "info", "message": "metrics", Service: r.options.Service, Function: r.options.Function}}
	if r.options.Fields != nil {
		for name, value := range r.options.Fields(ctx) {
			l.members[name] = value
		}
	}
	return l
}

func (l *line) takes(m measurement) bool {
	if _, taken := l.members[m.metric.Name]; taken || l.metrics >= maxMetrics {
		return false
	}
	for dimension, value := range m.values {
		if other, ok := l.members[dimension]; ok && other != value {
			return false
		}
	}
	return true
}

func (l *line) put(namespace string, m measurement) {
	l.members[m.metric.Name] = m.value
	for dimension, value := range m.values {
		l.members[dimension] = value
	}
	l.metrics++
	same := func(d directive) bool { return slices.EqualFunc(d.Dimensions, m.sets, slices.Equal[[]string]) }
	if i := slices.IndexFunc(l.directives, same); i >= 0 {
		l.directives[i].Metrics = append(l.directives[i].Metrics, m.metric)
		return
	}
	l.directives = append(l.directives, directive{Namespace: namespace, Dimensions: m.sets, Metrics: []metric{m.metric}})
}

// encode returns the line as JSON, sorted by key.
func (l *line) encode(o Options) ([]byte, error) {
	now := o.Now().UTC()
	all := maps.Clone(l.members)
	all["timestamp"] = now.Format("2006-01-02T15:04:05.000Z")
	all["_aws"] = struct {
		Timestamp         int64
		CloudWatchMetrics []directive
	}{now.UnixNano() / int64(time.Millisecond), l.directives}
	return json.Marshal(all)
}

// measured returns the measurements of published metrics, always in the same order.
func measured(all metricdata.ResourceMetrics) []measurement {
	var found []measurement
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if _, published := Dimensions[m.Name]; published {
				found = append(found, measurementsOf(m)...)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b measurement) int {
		return cmp.Or(strings.Compare(a.metric.Name, b.metric.Name), strings.Compare(key(a.values), key(b.values)))
	})
	return found
}

func key(values map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		b.WriteString(name + "=" + values[name] + "\n")
	}
	return b.String()
}

func measurementsOf(m metricdata.Metrics) []measurement {
	var found []measurement
	add := func(set attribute.Set, value any) {
		if values, sets := place(m.Name, set); len(sets) > 0 {
			found = append(found, measurement{metric{m.Name, unitOf(m.Unit)}, value, values, sets})
		}
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, p.Value)
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, p.Value)
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, number(p.Value))
		}
	case metricdata.ExponentialHistogram[float64]:
		for _, p := range data.DataPoints {
			for part := range slices.Chunk(valuesOf(p), maxArray) {
				add(p.Attributes, part)
			}
		}
	}
	return found
}
