package operator

import (
	"time"

	"gakushoku/internal/app/wiring"
	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/timeline"
)

// New builds an installation over its ports. runs reports which runs are in progress. Events normally reach
// the log within patience.
func New(p *wiring.Ports, h Host, runs rebuild.Runs, settings rebuild.Settings, patience time.Duration) *Installation {
	i := &Installation{
		Host:   h,
		Engine: Engine(p, runs, settings),
		Models: readModels(p, settings.LagBound), Process: processes(p), Handler: p.Commands(),
		LogCheck: &logcheck.Log{
			Ledger: p.Ledger, Blobs: p.Blobs, Store: p.Events, Now: time.Now, NewID: observe.NewID, Patience: patience,
		},
	}
	if p.Seals != nil {
		i.Seals, i.LogCheck.Sealed = p.Seals, p.Seals.Newest
	}
	i.Subjects, i.Streams = p.Subjects, p.Events
	i.Finder = timeline.Finder{
		Streams: p.Events, Numbers: i.Models.Numbers, EachEvent: h.EachEvent,
		Models: timeline.ReadModels{Projections: canteen.Projections(), Pointers: p.Control, Tables: p.Tables},
	}
	return i
}

// Engine builds the steps of rebuilds.
func Engine(p *wiring.Ports, runs rebuild.Runs, settings rebuild.Settings) *rebuild.Engine {
	return &rebuild.Engine{
		Projections: canteen.Projections(), Pointers: p.Control, Tables: p.Tables, Streams: p.Events,
		Log: p.Log(), Blobs: p.Blobs, Projector: p.Projector(), Runs: runs, Settings: settings, Now: time.Now,
	}
}

// readModels builds the part that verifies, explains and heals rows.
func readModels(p *wiring.Ports, lagBound time.Duration) *verify.ReadModels {
	m := &verify.ReadModels{
		Verifier: verify.Verifier{
			Tables: p.Tables, Streams: p.Events, Projector: p.Projector(), LagBound: lagBound, Now: time.Now,
		},
		Projections: canteen.Projections(), Pointers: p.Control,
	}
	if p.Ledger != nil {
		m.Log, m.Numbers = p.Log(), &eventlog.Numberer{Log: p.Log(), Streams: p.Events}
	}
	return m
}
