package faultport_test

import (
	"bytes"
	"context"
	"testing"

	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/store/memory"
)

// exported is the whole store as JSONL.
func (w *world) exported() []byte {
	var all bytes.Buffer
	_, err := eventio.Export(w.t.Context(), w.events, &all, eventio.ExportOptions{})
	w.must(err)
	return all.Bytes()
}

func TestImportAndExportReportAPortThatFails(t *testing.T) {
	t.Parallel()
	var file []byte
	emptied := func(w *world) {
		file = w.exported()
		w.events = memory.NewEvents()
		w.place("a14") // not as in the file
		w.events = memory.NewEvents()
	}
	importing := func(o eventio.Options) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			_, err := eventio.Import(ctx, bytes.NewReader(file), faultport.Target{Target: w.events, Gate: g}, o)
			return nil, err
		}
	}
	exporting := func(o eventio.ExportOptions) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			var all bytes.Buffer
			source := struct {
				faultport.Feed
				faultport.Events
			}{faultport.Feed{Feed: w.events, Gate: g}, faultport.Events{Store: w.events, Gate: g}}
			_, err := eventio.Export(ctx, source, &all, o)
			return all.String(), err
		}
	}
	for _, o := range []operation{
		{name: "import", world: emptied, state: (*world).stored, run: importing(eventio.Options{})},
		{name: "import what is there in part", world: func(w *world) { w.lose(); file = serving(w.t).exported() }, state: (*world).stored, run: importing(eventio.Options{})},
		{name: "import what has bad lines", world: func(w *world) { emptied(w); file = append(file, "{}\n"...) }, state: (*world).stored, run: importing(eventio.Options{SkipBad: true})},
		{name: "export", run: exporting(eventio.ExportOptions{})},
		{name: "export a stream", run: exporting(eventio.ExportOptions{Stream: "order-a26"})},
	} {
		t.Run(o.name, func(t *testing.T) { o.sweep(t, true) })
	}
}
