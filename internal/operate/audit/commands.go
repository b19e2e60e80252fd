package audit

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/eventlog"
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
}

// maxLacking bounds the events without an entry that are named.
const maxLacking = 20

// countCommands looks at every event of the log. Entries begin with the first event that has one; a command
// after it, by its number and its time, needs one.
func countCommands(ctx context.Context, log *eventlog.Reader) (c Commands, err error) {
	head, err := log.Head(ctx)
	if err != nil {
		return c, err
	}
	began := event.Instant(0)
	err = log.Events(ctx, 0, head.Number, func(number uint64, e *event.Event) error {
		switch {
		case e.Type == audit.RefusedType:
			c.Refused++
		case e.Command != "":
			c.Accepted++
			if began == 0 {
				began = e.OccurredAt
			}
		case e.CommandHash == "":
		case e.Route == event.RouteImport:
			c.Before++
		case began == 0 || e.OccurredAt < began:
			c.Before++
		default:
			if c.Missing++; len(c.Lacking) < maxLacking {
				c.Lacking = append(c.Lacking, fmt.Sprintf("event %d, %s version %d", number, e.Stream, e.Version))
			}
		}
		return nil
	})
	return c, err
}
