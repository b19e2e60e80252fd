package backup

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/subject"
)

// The names of parts.
const (
	partCredentials = "credentials" // device keys as hashes, and the secrets of sessions
	partSettings    = "settings"    // files of the installation, by name
)

// credentialKinds are the kinds of records that are kept.
var credentialKinds = []string{credential.KindKey, credential.KindSecret}

// parts puts device keys and settings into the place, unless the newest backup has the same.
func (r *creating) parts(ctx context.Context, do bool) (lacks bool, err error) {
	records := map[string][]credential.Record{}
	for _, kind := range credentialKinds {
		if records[kind], err = r.Credentials.Credentials(ctx, kind); err != nil {
			return false, err
		}
	}
	settings, err := r.Settings(ctx)
	if err != nil {
		return false, err
	}
	r.catalogue.Parts = nil
	for name, value := range map[string]any{partCredentials: records, partSettings: settings} {
		data := encode(value)
		sum := digest(data)
		part := Part{Name: name, Key: partFolder + sum + ".json", Bytes: int64(len(data)), SHA256: sum}
		r.catalogue.Parts = append(r.catalogue.Parts, part)
		if r.had.newest != nil && slices.Contains(r.had.newest.Parts, part) {
			continue
		}
		lacks = true
		if do {
			if err := r.put(ctx, part.Key, data); err != nil {
				return lacks, err
			}
		}
	}
	slices.SortFunc(r.catalogue.Parts, func(a, b Part) int { return cmp.Compare(a.Name, b.Name) })
	return lacks, nil
}

// readPart reads a part of a backup into a value.
func (c *Catalogue) readPart(ctx context.Context, place eventlog.BlobReader, name string, into any) error {
	at := slices.IndexFunc(c.Parts, func(p Part) bool { return p.Name == name })
	if at < 0 {
		return fmt.Errorf("backup %s has no %s: %w", c.ID, name, ErrDamaged)
	}
	data, err := c.Parts[at].data(ctx, place)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("reading the %s of backup %s: %w", name, c.ID, err)
	}
	return nil
}

func (p *Part) data(ctx context.Context, place eventlog.BlobReader) ([]byte, error) {
	data, err := place.Get(ctx, p.Key)
	if err == nil && digest(data) != p.SHA256 {
		err = fmt.Errorf("%s: %w", p.Key, ErrDamaged)
	}
	return data, err
}

// The keys of subjects are not kept for each backup but once for the place, divided by partition of the name. So
// an erasure reaches all backups at the next one, and a restore of any of them finds the tombstone.

func subjectKey(partition int) string { return fmt.Sprintf("%s%02d.json", subjectFolder, partition) }

// subjects adds the keys and tombstones that the place lacks. Tombstones win.
func (r *creating) subjects(ctx context.Context, do bool) (lacks bool, err error) {
	all, err := r.Subjects.All(ctx)
	if err != nil {
		return false, err
	}
	r.catalogue.Subjects = Subjects{}
	var divided [eventlog.Partitions][]subject.Record
	for _, record := range all {
		if record.ErasedAt != 0 {
			r.catalogue.Subjects.Erased++
		} else {
			r.catalogue.Subjects.Keys++
		}
		p := eventlog.PartitionOf(record.Subject)
		divided[p] = append(divided[p], record)
	}
	for p, records := range divided {
		if len(records) == 0 {
			continue
		}
		there, err := readSubjects(ctx, r.place, p)
		if err != nil {
			return lacks, err
		}
		before, after := encode(there), encode(merge(there, records))
		if bytes.Equal(before, after) {
			continue
		}
		lacks = true
		if do {
			if err := r.put(ctx, subjectKey(p), after); err != nil {
				return lacks, err
			}
		}
	}
	return lacks, nil
}

// readSubjects reads the keys of a partition; none if there is no object.
func readSubjects(ctx context.Context, place eventlog.BlobReader, partition int) (records []subject.Record, err error) {
	data, err := place.Get(ctx, subjectKey(partition))
	if errors.Is(err, eventlog.ErrNoBlob) {
		return nil, nil
	}
	if err == nil {
		if err = json.Unmarshal(data, &records); err != nil {
			err = fmt.Errorf("reading %s: %w: %w", subjectKey(partition), ErrDamaged, err)
		}
	}
	return records, err
}

// merge returns the records of both, in the order of subjects. Where one has a tombstone, it wins; the older one of
// two.
func merge(a, b []subject.Record) []subject.Record {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b subject.Record) int {
		switch {
		case a.Subject != b.Subject:
			return cmp.Compare(a.Subject, b.Subject)
		case (a.ErasedAt == 0) != (b.ErasedAt == 0):
			return cmp.Compare(b.ErasedAt, a.ErasedAt)
		}
		return cmp.Compare(a.ErasedAt, b.ErasedAt)
	})
	return slices.CompactFunc(all, func(a, b subject.Record) bool { return a.Subject == b.Subject })
}
