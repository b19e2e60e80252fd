package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/observe/spans"
)

// showSlow prints the slowest operations.
func showSlow(w io.Writer, r *slowReport, since time.Time) {
	if len(r.Operations) == 0 {
		fmt.Fprintf(w, "Nothing was timed since %s: has a server run here?\n", event.InstantOf(since))
		return
	}
	table := newTable(w, "TOOK\tOWN\tWHAT\tDETAIL")
	for i := range r.Operations {
		o := &r.Operations[i]
		if i > 0 {
			table.line("\t\t\t")
		}
		showOperation(table, o, "", event.InstantOf(o.Timestamp.Time()).String()+" ")
	}
	table.Flush()
}

// showOperation prints a span and, indented, the spans within it.
func showOperation(w io.Writer, o *spans.Operation, indent, began string) {
	fmt.Fprintf(w, "%.1f ms\t%.1f ms\t%s%s\t%s\n", o.DurationMs, o.OwnMs, indent, plain(o.Name), plain(strings.TrimSpace(began+detail(o))))
	for i := range o.Children {
		showOperation(w, &o.Children[i], indent+"  ", "")
	}
}

// detail returns the attributes and the error of a span.
func detail(o *spans.Operation) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(o.Attributes)) {
		switch key {
		case "http.request.method", "http.route", "url.scheme", "gakushoku.command": // the name contains it
			continue
		}
		parts = append(parts, fmt.Sprintf("%s=%v", strings.TrimPrefix(key, "gakushoku."), o.Attributes[key]))
	}
	if o.TraceID != "" && o.ParentID == "" {
		parts = append(parts, "trace="+cmp.Or(o.TraceURL, o.TraceID))
	}
	if o.Error != "" {
		parts = append(parts, "FAILED: "+o.Error)
	}
	return strings.Join(parts, " ")
}
