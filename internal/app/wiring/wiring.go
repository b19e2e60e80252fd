// Package wiring builds the parts of the engine that serve guests over the ports of one installation.
// Installations differ only in their ports. Package operator does the same for the parts that operators use.
package wiring

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gakushoku/internal/app/counter"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/engine/retire"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/observe"
)

// Tables has all operations on table versions.
type Tables interface {
	projection.Store
	projection.Sink
	projection.Agenda
}

// Ports are the stores of one installation. The parts built over them may share them.
type Ports struct {
	Events   eventstore.Store // sees retired events; see Keep
	Tables   Tables
	Control  projection.Pointers        // reads and changes pointers without a cache
	Pointers *projection.CachedPointers // for queries and the projector
	Ledger   eventlog.Ledger            // of the numbered log; nil if there is none
	Blobs    eventlog.Blobs             // the objects of the log and of rebuilds; nil if there is no log
	Subjects subject.Keys               // of who sent commands; nil: their addresses and programs are not recorded
	States   streamstate.Store          // snapshots of long streams; nil: there are none
	Seals    *seal.Check                // compares the log with its signed checkpoints; nil if there are none

	kept retire.Store // the event store as it is
}

// Keep makes a store the installation's event store. Everything that loads events through Events sees retired
// ones too, if there is a log. Set the ports of the log first.
func (p *Ports) Keep(store retire.Store) {
	p.Events, p.kept = store, store
	if p.Ledger != nil && p.Blobs != nil {
		p.Events = retire.Over(store, p.Log())
	}
}

// Retirer builds what retires closed streams. hold is Retirer.Hold.
func (p *Ports) Retirer(hold time.Duration) *retire.Retirer {
	return &retire.Retirer{
		Store: p.kept, Log: p.Log(), Rules: append(canteen.Closings(), audit.Closing()), Now: time.Now, NewID: observe.NewID, Hold: hold,
	}
}

// Commands builds the handler of commands.
func (p *Ports) Commands() *command.Handler {
	return &command.Handler{
		Streams: p.Events, Now: time.Now, NewID: observe.NewID, Cache: &command.Cache{Snapshots: p.States}, Entries: p.Entries(),
	}
}

// Entries builds what fills in who sent a command.
func (p *Ports) Entries() *audit.Entries {
	if p.Subjects == nil {
		return &audit.Entries{}
	}
	return &audit.Entries{Box: &subject.Box{Keys: p.Subjects, Now: time.Now}}
}

// Recorder builds what records refused commands. A process has one.
func (p *Ports) Recorder() *audit.Recorder {
	return &audit.Recorder{Streams: p.Events, Entries: p.Entries(), Instance: observe.NewID(), Now: time.Now, NewID: observe.NewID}
}

// Counter builds what completes commands with what other aggregates say. guests bounds what guests may hold.
func (p *Ports) Counter(guests counter.Limits) *counter.Counter {
	own := p.Queries().Of(checkout.View())
	return &counter.Counter{
		Commands: p.Commands(), Now: time.Now, Checkout: true, Guests: guests,
		Open: func(ctx context.Context, owner string) (open int, err error) {
			page, err := own.List(ctx, query.ListRequest{Bucket: owner, Limit: query.MaxLimit})
			for _, stored := range page.Rows {
				var row checkout.Row
				if err := json.Unmarshal(stored.Data, &row); err != nil {
					return 0, fmt.Errorf("reading a checkout: %w", err)
				}
				if row.Open() {
					open++
				}
			}
			return open, err
		},
	}
}

// Queries builds the reader of the read models.
func (p *Ports) Queries() *query.Reader {
	return &query.Reader{
		Pointers: p.Pointers, Browser: p.Tables, Streams: p.Events, Projections: canteen.Projections(), Now: time.Now,
		Cache: &query.Cache{TTL: listTTL},
	}
}

// listTTL is how old the lists of products and categories may be.
const listTTL = 5 * time.Second

// Projector builds the writer of the read models.
func (p *Ports) Projector() *projection.Projector {
	return &projection.Projector{
		Projections: canteen.Projections(), Pointers: p.Pointers, Tables: p.Tables, Streams: p.Events, Now: time.Now,
	}
}

// Process builds the ports of the workers and operators of one process.
func (p *Ports) Process(name string) process.Ports {
	return process.Ports{
		Revisions: canteen.Processes().Named(name), Pointers: p.Pointers, Tables: p.Tables, Streams: p.Events, Now: time.Now,
	}
}

// Log builds the reader of the numbered log.
func (p *Ports) Log() *eventlog.Reader {
	r := &eventlog.Reader{Ledger: p.Ledger, Blobs: p.Blobs}
	if p.Seals != nil {
		r.Trusted = p.Seals.Trusted
	}
	return r
}

// Archiver builds the writer of the numbered log.
func (p *Ports) Archiver() *eventlog.Archiver {
	return &eventlog.Archiver{Ledger: p.Ledger, Blobs: p.Blobs, Now: time.Now, NewID: observe.NewID}
}
