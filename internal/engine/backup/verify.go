package backup

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// maxProblems bounds the problems that a report describes; all are counted.
const maxProblems = 100

// Report is what a verification found.
type Report struct {
	Backup   string   `json:"backup"`
	Deep     bool     `json:"deep"`
	Sound    bool     `json:"sound"`
	Segments uint64   `json:"segments"` // that were looked at
	Events   uint64   `json:"events"`   // in them
	Total    int      `json:"total"`    // problems
	Problems []string `json:"problems,omitempty"`
}

func (r *Report) add(format string, args ...any) {
	if r.Total++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify checks a backup: that the manifests of its log are there and follow one another to its chain, that every
// object is there with its size, and that device keys, settings and keys of subjects can be read. If deep, it also
// reads every object against its digest and decodes every event. An error means that it could not be told.
func Verify(ctx context.Context, place eventlog.BlobReader, c *Catalogue, deep bool, progress func(Progress)) (*Report, error) {
	r := &Report{Backup: c.ID, Deep: deep}
	if err := r.verify(ctx, place, c, progress); err != nil {
		return nil, fmt.Errorf("verifying backup %s: %w", c.ID, err)
	}
	r.Sound = r.Total == 0
	return r, nil
}

func (r *Report) verify(ctx context.Context, place eventlog.BlobReader, c *Catalogue, progress func(Progress)) error {
	had := map[string]int64{}
	if err := each(ctx, place, eventlog.SegmentFolder, func(b eventlog.Blob) { had[b.Key] = b.Bytes }); err != nil {
		return err
	}
	chain := eventlog.Chain{Hash: eventlog.Genesis}
	err := manifests(ctx, place, c.Head.Number, func(m *eventlog.Manifest) error {
		if err := chain.Add(m); err != nil {
			r.add("%v", err)
		}
		r.Segments++
		r.Events += uint64(m.Count())
		switch bytes, there := had[m.Key]; {
		case !there:
			r.add("%s of segment %d is missing", m.Key, m.First)
			return nil
		case bytes != m.Bytes:
			r.add("%s of segment %d has %d bytes, %d were written", m.Key, m.First, bytes, m.Bytes)
			return nil
		}
		if progress != nil {
			progress(Progress{m.Last, c.Head.Number})
		}
		if !r.Deep {
			return ctx.Err()
		}
		return r.found(ctx, eachEvent(ctx, place, m, func(uint64, *event.Event) error { return nil }))
	})
	if err := r.found(ctx, err); err != nil {
		return err
	}
	if r.Total == 0 && chain.Hash != c.Head.Chain {
		r.add("the chain of the log leads to %.12s, the backup says %.12s", chain.Hash, c.Head.Chain)
	}
	for i := range c.Parts {
		_, err := c.Parts[i].data(ctx, place)
		if err := r.found(ctx, err); err != nil {
			return err
		}
	}
	return r.subjects(ctx, place, c)
}

// found makes an error a problem, unless it says nothing about the backup.
func (r *Report) found(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || fault.ClassOf(err) == fault.Infra {
		return err
	}
	r.add("%v", err)
	return nil
}

// subjects checks that the place still has as many subjects as the backup.
func (r *Report) subjects(ctx context.Context, place eventlog.BlobReader, c *Catalogue) error {
	there := 0
	for p := range eventlog.Partitions {
		records, err := readSubjects(ctx, place, p)
		if err := r.found(ctx, err); err != nil {
			return err
		}
		there += len(records)
	}
	if want := c.Subjects.Keys + c.Subjects.Erased; there < want {
		r.add("the place has the keys and tombstones of %d subjects, the backup had %d", there, want)
	}
	return nil
}

// eachEvent calls f for each event of a segment, whose object it checks by its digest.
func eachEvent(ctx context.Context, place eventlog.BlobReader, m *eventlog.Manifest, f func(number uint64, e *event.Event) error) error {
	data, err := segmentData(ctx, place, m)
	if err != nil {
		return err
	}
	return m.EachEvent(data, f)
}
