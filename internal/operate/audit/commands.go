package audit

import (
	"fmt"
	"strings"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/event"
)

// Commands are the commands of a log, and whether each accepted one has its entry.
type Commands struct {
	Accepted uint64 `json:"acceptedEvents"` // events of accepted commands
	Refused  uint64 `json:"refused"`
	// Before are events of commands from before there were entries, and of imports that bring theirs.
	Before  uint64   `json:"before"`
	Missing uint64   `json:"missing"`           // events of later commands without an entry
	Lacking []string `json:"lacking,omitempty"` // the first of these
	// Losses of signed checkpoints or keys that an operator has accepted.
	Losses []string `json:"acceptedLosses,omitempty"`
}

// maxLacking bounds the events without an entry that are named.
const maxLacking = 20

// count adds an event of the log. Entries begin with the first event that has one; a command after it, by its
// number and its time, needs one. count returns when they began, 0 if they have not.
func (c *Commands) count(began event.Instant, number uint64, e *event.Event) event.Instant {
	if loss, ok := lossOf(e); ok && len(c.Losses) < maxLacking {
		c.Losses = append(c.Losses, fmt.Sprintf("%s up to event %d, at %s", strings.Clone(loss.What), loss.UpTo, e.OccurredAt))
	}
	switch {
	case e.Type == audit.RefusedType:
		c.Refused++
	case e.Command != "":
		c.Accepted++
		if began == 0 {
			began = e.OccurredAt
		}
	case e.CommandHash == "":
	case e.Route == event.RouteImport || began == 0 || e.OccurredAt < began:
		c.Before++
	default:
		if c.Missing++; len(c.Lacking) < maxLacking {
			c.Lacking = append(c.Lacking, fmt.Sprintf("event %d, %s version %d", number, e.Stream, e.Version))
		}
	}
	return began
}

// lossOf returns the loss that an event accepts; false if it is another event.
func lossOf(e *event.Event) (loss audit.Loss, ok bool) {
	if e.Type != audit.LossType {
		return loss, false
	}
	return loss, loss.Decode(e) == nil
}
