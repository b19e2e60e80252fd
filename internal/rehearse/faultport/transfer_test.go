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
	_, err := eventio.Export(w.TB.Context(), w.Events, &all, eventio.ExportOptions{})
	w.Must(err)
	return all.Bytes()
}

func TestImportAndExportReportAPortThatFails(t *testing.T) {
	t.Parallel()
	var file []byte
	emptied := func(w *world) {
		file = w.exported()
		w.Events = memory.NewEvents()
		w.Place("a14") // not as in the file
		w.Events = memory.NewEvents()
	}
	importing := func(o eventio.Options) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			_, err := eventio.Import(ctx, bytes.NewReader(file), faultport.Target{Target: w.Events, Gate: g}, o)
			return nil, err
		}
	}
	exporting := func(o eventio.ExportOptions) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			var all bytes.Buffer
			source := struct {
				faultport.Feed
				faultport.Events
			}{faultport.Feed{Feed: w.Events, Gate: g}, faultport.Events{Store: w.Events, Gate: g}}
			_, err := eventio.Export(ctx, source, &all, o)
			return all.String(), err
		}
	}
	for _, o := range []operation{
		{name: "import", world: emptied, state: (*world).stored, run: importing(eventio.Options{})},
		{name: "import what is there in part", world: func(w *world) { w.lose(); file = serving(w.TB).exported() }, state: (*world).stored, run: importing(eventio.Options{})},
		{name: "import what has bad lines", world: func(w *world) { emptied(w); file = append(file, "{}\n"...) }, state: (*world).stored, run: importing(eventio.Options{SkipBad: true})},
		{name: "export", run: exporting(eventio.ExportOptions{})},
		{name: "export a stream", run: exporting(eventio.ExportOptions{Stream: "order-a26"})},
	} {
		t.Run(o.name, func(t *testing.T) { o.sweep(t, true) })
	}
}
