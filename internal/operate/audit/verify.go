package audit

import (
	"context"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// Report is what a verification of the audit log found.
type Report struct {
	Sound bool         `json:"sound"`
	Chain *seal.Report `json:"chain"` // from the first manifest to the head, against every signed checkpoint
	// Log is the comparison of the log with its objects and the event store; nothing in it was fixed.
	Log *logcheck.Report `json:"log"`
	// Of a log without problems:
	Commands Commands `json:"commands"`
	Keys     Keys     `json:"keys"`
}

// Problems returns how many problems were found.
func (r *Report) Problems() int {
	return r.Chain.Total + r.Log.Total() + int(r.Commands.Missing) + r.Keys.Total
}

// Verification is what Verify needs.
type Verification struct {
	Seals    *seal.Check
	Log      *logcheck.Log
	Subjects subject.Keys            // nil: whether they are all there is not looked at
	Streams  subject.Streams         // the event store, with the tombstones of subjects
	Progress func(logcheck.Progress) // may be nil
}

// Verify follows the chain of the log from its first manifest to its head, compares it with every signed
// checkpoint, reads every object against its digest, compares every event with the event store, if there is
// one, and looks for the entry of every command and the key of every subject. It changes nothing: events that are
// not archived yet are counted, and nothing proves them. An error means that it could not be completed.
func (v *Verification) Verify(ctx context.Context) (*Report, error) {
	chain, err := v.Seals.All(ctx)
	if err != nil {
		return nil, err
	}
	log := *v.Log
	log.Sealed = nil // All has looked
	r := &Report{Chain: chain}
	if r.Log, err = log.Verify(ctx, logcheck.Options{Deep: log.Store != nil, AsIs: true, Progress: v.Progress}); err != nil {
		return nil, err
	}
	if r.Problems() == 0 { // what cannot be read cannot be counted
		if err = v.readEvents(ctx, r); err != nil {
			return nil, err
		}
	}
	r.Sound = r.Problems() == 0
	return r, nil
}

// readEvents reads every event of the log.
func (v *Verification) readEvents(ctx context.Context, r *Report) error {
	keys, err := v.openKeys(ctx)
	if err != nil {
		return err
	}
	log := &eventlog.Reader{Ledger: v.Log.Ledger, Blobs: v.Log.Blobs}
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	began := event.Instant(0)
	err = log.Events(ctx, 0, head.Number, func(number uint64, e *event.Event) error {
		began = r.Commands.count(began, number, e)
		return keys.check(ctx, number, e)
	})
	r.Keys = keys.found()
	return err
}
