package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/rehearse/faultport"
)

// lagBound is the time within which live delivery normally brings in an event.
const lagBound = 2 * time.Second

// execution is a run of any kind of rebuild.Request, on the state machine or in a process of the embedded
// system.
type execution struct {
	w       *world
	id      string
	request rebuild.Request
	process *process
	run     rebuild.Run
	err     error
	ended   bool
	stopped bool // by the operator
	meddled bool // the pointer was changed meanwhile, so that it may fail
	resumed bool // another process continued it
	lost    bool // parts of the folder were replaced meanwhile

	person   person            // who approves the switch
	lengths  map[string]uint64 // of the streams when it began
	switches int               // made before it began
	logged   map[string]uint64 // the last version of each stream in the log at the end of the wait after Join
}

// person approves or refuses a switch.
type person struct {
	takes    time.Duration
	approves bool
}

// execute starts a run.
func (w *world) execute(request rebuild.Request) *execution {
	x := w.newExecution(fmt.Sprintf("run-%d", len(w.executions)+1), request)
	f := x.play
	if w.embedded {
		f = func(ctx context.Context) (err error) {
			x.run, err = x.driver().Run(ctx, x.id, request)
			return err
		}
	} else {
		x.process.durable = true
	}
	x.start(f)
	return x
}

func (w *world) newExecution(id string, request rebuild.Request) *execution {
	x := &execution{w: w, id: id, request: request, process: w.s.start(id), lengths: map[string]uint64{}, switches: w.switches}
	x.person = person{time.Duration(w.s.random.Int64N(int64(4 * pointerTTL))), w.s.random.IntN(8) > 0}
	for _, name := range w.truth.names {
		x.lengths[name] = uint64(len(w.truth.streams[name].events))
	}
	x.meddled = len(w.meddling) > 0 || w.parts.ever
	w.executions = append(w.executions, x)
	return x
}

func (x *execution) start(f func(context.Context) error) {
	x.w.s.counts["run"]++
	x.process.run(f, func(err error) {
		x.ended, x.err = true, err
		x.w.judgeRun(x)
	})
}

// goingOn returns the executions that have not ended, in the order of their starts.
func (w *world) goingOn() []*execution {
	var going []*execution
	for _, x := range w.executions {
		if !x.ended {
			going = append(going, x)
		}
	}
	return going
}

func (w *world) running() bool {
	return slices.ContainsFunc(w.executions, func(x *execution) bool { return !x.ended })
}

// settings are those of the installation.
func (w *world) settings() rebuild.Settings {
	s := rebuild.Settings{
		PointerTTL: pointerTTL, ProjectorTimeout: projectorTimeout, LagBound: lagBound,
		PartEvents: 6, VerifyParts: 2, Workers: 1, CatchUpBudget: time.Minute,
	}
	if w.mutation.Settings != nil {
		w.mutation.Settings(&s)
	}
	return s
}

// rebuilder returns the engine of rebuilds for a process.
func (w *world) rebuilder(p *process) *rebuild.Engine {
	var into projection.Sink = faultport.Sink{Sink: w.tables, Gate: p}
	if w.mutation.Sink != nil {
		into = w.mutation.Sink(into, w.tablesOf(p))
	}
	rows := faultport.Bulk{Tables: w.tablesOf(p), Sink: into}
	e := &rebuild.Engine{
		Projections: w.code(),
		Pointers:    w.pointersOf(p), Tables: rows, Streams: w.eventsOf(p), Blobs: w.blobsOf(p),
		Log:       &eventlog.Reader{Ledger: w.ledgerOf(p), Blobs: w.blobsOf(p)},
		Projector: w.engineFor(p), Runs: faultport.Runs{Runs: runs{w}, Gate: p}, Settings: w.settings(), Now: time.Now,
	}
	if w.snapshots {
		e.Tables, e.Streams = faultport.Snapshots{Bulk: rows, Snapshotter: w.tables}, faultport.Ordered{Events: w.eventsOf(p), Ranger: w.truth}
	}
	if w.embedded {
		e.Archive = w.archiveFollower(p).CatchUp
	}
	return e
}

// runs is rebuild.Runs.
type runs struct{ w *world }

func (r runs) Running(_ context.Context, runID string) (running bool, err error) {
	for _, x := range r.w.executions {
		running = running || x.id == runID && !x.ended
	}
	r.w.believedOver[runID] = r.w.believedOver[runID] || !running
	return running, nil
}
