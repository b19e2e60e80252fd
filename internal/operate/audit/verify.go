package audit

import (
	"context"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/seal"
)

// Report is what a verification of the audit log found.
type Report struct {
	Sound bool         `json:"sound"`
	Chain *seal.Report `json:"chain"` // from the first manifest to the head, against every signed checkpoint
	// Log is the comparison of the log with its objects and the event store; nothing in it was fixed.
	Log      *logcheck.Report `json:"log"`
	Commands Commands         `json:"commands"` // of a log without problems
}

// Problems returns how many problems were found.
func (r *Report) Problems() int { return r.Chain.Total + r.Log.Total() + int(r.Commands.Missing) }

// Verification is what Verify needs.
type Verification struct {
	Seals    *seal.Check
	Log      *logcheck.Log
	Progress func(logcheck.Progress) // may be nil
}

// Verify follows the chain of the log from its first manifest to its head, compares it with every signed
// checkpoint, reads every object against its digest, compares every event with the event store, if there is
// one, and looks for the entry of every command. It changes nothing but bringing the log up to date. An error means that it could not be completed.
func (v *Verification) Verify(ctx context.Context) (*Report, error) {
	chain, err := v.Seals.All(ctx)
	if err != nil {
		return nil, err
	}
	log := *v.Log
	log.Sealed = nil // All has looked
	r := &Report{Chain: chain}
	if r.Log, err = log.Verify(ctx, logcheck.Options{Deep: log.Store != nil, Progress: v.Progress}); err != nil {
		return nil, err
	}
	if r.Problems() == 0 { // what cannot be read cannot be counted
		if r.Commands, err = countCommands(ctx, &eventlog.Reader{Ledger: log.Ledger, Blobs: log.Blobs}); err != nil {
			return nil, err
		}
	}
	r.Sound = r.Problems() == 0
	return r, nil
}
