package logcheck

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// settlePause is the time between two looks for late events.
const settlePause = time.Second

// settle waits for late events to come into the log. Those that do not come are missing.
func (c *comparison) settle(ctx context.Context) error {
	waiting, err := c.waiting(ctx)
	if err != nil {
		return err
	}
	for waited := time.Duration(0); len(c.late) > 0; waited += settlePause {
		if _, err := c.catchUp(ctx); err != nil {
			return err
		}
		if err := c.readOn(ctx); err != nil {
			return err
		}
		for _, key := range waiting {
			if _, late := c.late[key]; late {
				c.report.Unarchived++
				delete(c.late, key)
			}
		}
		if len(c.late) == 0 || waited >= c.Patience || c.CatchUp != nil {
			break
		}
		if err := c.pause(ctx, settlePause); err != nil {
			return err
		}
	}
	return c.missing(ctx)
}

// waiting returns the late events that the archiver has not got to yet, when the log is to be left as it is.
func (c *comparison) waiting(ctx context.Context) (keys []eventKey, err error) {
	if !c.asIs || c.Unarchived == nil || len(c.late) == 0 {
		return nil, nil
	}
	err = c.Unarchived(ctx, func(e *event.Event) {
		key := eventKey{e.Stream, e.Version}
		if _, late := c.late[key]; late {
			keys = append(keys, eventKey{strings.Clone(key.stream), key.version})
		}
	})
	if errors.Is(err, eventlog.ErrLedgerBehind) || errors.Is(err, eventstore.ErrOtherStore) {
		err = nil // they are missing then
	}
	return keys, err
}

// readOn reads the new events of the log and removes them from the late ones.
func (c *comparison) readOn(ctx context.Context) error {
	head, err := c.Ledger.Head(ctx)
	if err != nil || head.Number == c.seen {
		return err
	}
	digests := c.held.digests.Copy()
	var e event.Event
	err = c.frames(ctx, c.held.part, c.seen, head.Number, c.again, func(f eventlog.Frame, lines []byte) error {
		return eachLine(lines, f.First, func(number uint64, line []byte) error {
			if event.Decode(line, &e) != nil {
				return nil // the next verification reports it
			}
			key := eventKey{e.Stream, e.Version}
			late, waited := c.late[key]
			if !waited {
				return nil
			}
			delete(c.late, key)
			if digests.Of(&e) != late.digest {
				c.report.add(Problem{Kind: EventDiffers, Number: number, Stream: key.stream, Version: key.version, EventID: late.id, Detail: "the log has another event there than the store"})
			}
			return nil
		})
	})
	c.seen = head.Number
	return err
}

// missing reports the events that did not come, and appends them to the log when fixing.
func (c *comparison) missing(ctx context.Context) error {
	keys := slices.SortedFunc(maps.Keys(c.late), func(a, b eventKey) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.version, b.version))
	})
	fixed, detail := c.fix && c.unsure == "", ""
	if c.fix && !fixed {
		detail = "it was not appended, since " + c.unsure
	}
	if fixed && len(keys) > 0 {
		if err := c.append(ctx, keys); err != nil {
			return err
		}
	}
	for _, key := range keys {
		c.report.add(Problem{Kind: EventMissing, Stream: key.stream, Version: key.version, EventID: c.late[key].id, Detail: detail, Fixed: fixed})
	}
	clear(c.late)
	return nil
}

// append puts events of the store, sorted by stream, into the log.
func (c *comparison) append(ctx context.Context, keys []eventKey) error {
	archiver := &eventlog.Archiver{Ledger: c.Ledger, Blobs: c.Blobs, Now: c.Now, NewID: c.NewID, Retries: c.Retries}
	source := "fix/" + c.NewID() + "/"
	var batch []eventlog.Record
	commit := func() error {
		done, err := archiver.Commit(ctx, batch)
		c.report.Appended += done.Events
		batch = batch[:0]
		return err
	}
	for len(keys) > 0 {
		chunk := keys[:min(len(keys), streamPage)]
		keys = keys[len(chunk):]
		events, err := c.load(ctx, chunk)
		if err != nil {
			return err
		}
		for i := range events {
			batch = append(batch, eventlog.Record{Source: source + strconv.Itoa(c.report.Appended+len(batch)), Event: events[i]})
		}
		if len(batch) >= eventlog.DefaultSegmentEvents || len(keys) == 0 {
			if err := commit(); err != nil {
				return err
			}
		}
	}
	return nil
}

// load reads events of the store.
func (c *comparison) load(ctx context.Context, keys []eventKey) ([]event.Event, error) {
	var names []string
	wanted := map[eventKey]bool{}
	for _, key := range keys {
		wanted[key] = true
		if len(names) == 0 || names[len(names)-1] != key.stream {
			names = append(names, key.stream)
		}
	}
	streams, err := c.Store.LoadMany(ctx, names)
	if err != nil {
		return nil, err
	}
	var events []event.Event
	for _, name := range names {
		for _, e := range streams[name] {
			if wanted[eventKey{e.Stream, e.Version}] {
				events = append(events, e)
			}
		}
	}
	return events, nil
}
