// Package backup copies an installation to a place, checks what is there, and brings it back. A backup is a
// catalogue: it says up to which event the log in the place belongs to it, and what it needs besides. Segments
// and manifests lie in the place under the keys that they have in the log, so backups share them, and a place
// that a log is replicated to needs no second copy. A backup exists when its catalogue does, never before.
// infra/DESIGN.md section 17 is the specification.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// The folders of a place, besides those of the log and of its seals.
const (
	CatalogueFolder = "backups/"
	partFolder      = "parts/"    // device keys and settings, by digest
	subjectFolder   = "subjects/" // keys of subjects, by partition
	turnFolder      = "turns/"    // see turn
)

// format is the version of what this program writes.
const format = 1

// Errors of this package.
var (
	// ErrOtherLog means that the place has copies of another log.
	ErrOtherLog = errors.New("the place has a backup of another log: choose a place of its own for each installation")
	// ErrNoBackup means that the place has no such backup.
	ErrNoBackup = errors.New("there is no such backup")
	// ErrDamaged means that an object is not what was written.
	ErrDamaged = errors.New("it is damaged")
)

// Catalogue is one backup.
type Catalogue struct {
	Format    int           `json:"gakushokuBackup"`
	ID        string        `json:"id"`
	CreatedAt event.Instant `json:"createdAt"`
	Program   string        `json:"program"` // version of the program that made it
	Source    string        `json:"source"`  // id of the installation
	// Head is the end of the log; its Chain is always there, also in a log that has none of its own.
	Head     eventlog.Head `json:"head"`
	Bytes    int64         `json:"bytes"`    // of all segments
	OldestAt event.Instant `json:"oldestAt"` // smallest occurredAt; the zero value if there are no events
	NewestAt event.Instant `json:"newestAt"` // largest
	Seals    int           `json:"seals"`    // signed checkpoints in the place, up to Head
	Subjects Subjects      `json:"subjects"`
	Parts    []Part        `json:"parts"`
	Copied   Copied        `json:"copied"`
}

// Part is an object that only backups need.
type Part struct {
	Name   string `json:"name"`
	Key    string `json:"key"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Subjects counts the keys of subjects and their tombstones when the backup was made.
type Subjects struct {
	Keys   int `json:"keys"`
	Erased int `json:"erased"`
}

// Copied is what one backup has put into the place, without its catalogue.
type Copied struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// idTime is the form of the time in a backup's id. Ids sort by time.
const idTime = "20060102T150405.000Z"

func idOf(at event.Instant, number uint64) string {
	return fmt.Sprintf("%s-%d", at.Time().UTC().Format(idTime), number)
}

func keyOf(id string) string { return CatalogueFolder + id + ".json" }

// timeOf returns the time in a backup's id.
func timeOf(id string) (time.Time, error) {
	at, _, _ := strings.Cut(id, "-")
	return time.Parse(idTime, at)
}

// encode returns the object of a value, whose digest stands for it.
func encode(value any) []byte {
	encoded, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("encoding for a backup: %v", err)) // strings, numbers, instants and JSON that was read
	}
	return append(encoded, '\n')
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// decodeCatalogue reads a catalogue. What is not as it was written is damaged.
func decodeCatalogue(key string, data []byte) (*Catalogue, error) {
	var c Catalogue
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("reading %s: %w: %w", key, ErrDamaged, err)
	}
	switch {
	case c.Format > format:
		return nil, fmt.Errorf("reading %s: it has format %d, this program knows %d: use a newer gakushoku", key, c.Format, format)
	case c.Format < 1 || keyOf(c.ID) != key || !bytes.Equal(encode(&c), data):
		return nil, fmt.Errorf("reading %s: %w", key, ErrDamaged)
	}
	return &c, nil
}

// IDs returns the ids of the backups in a place, the oldest first.
func IDs(ctx context.Context, place eventlog.BlobReader) ([]string, error) {
	var ids []string
	err := each(ctx, place, CatalogueFolder, func(b eventlog.Blob) {
		id := strings.TrimSuffix(strings.TrimPrefix(b.Key, CatalogueFolder), ".json")
		if _, err := timeOf(id); err == nil && keyOf(id) == b.Key {
			ids = append(ids, id)
		}
	})
	slices.Sort(ids)
	return ids, err
}

// Find returns a backup by its id, or the newest one for "".
func Find(ctx context.Context, place eventlog.BlobReader, id string) (*Catalogue, error) {
	if id == "" {
		ids, err := IDs(ctx, place)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("%w: the place has none", ErrNoBackup)
		}
		id = ids[len(ids)-1]
	}
	if _, err := timeOf(id); err != nil {
		return nil, fmt.Errorf("%q: %w: `backup list` shows those that are there", id, ErrNoBackup)
	}
	data, err := place.Get(ctx, keyOf(id))
	if errors.Is(err, eventlog.ErrNoBlob) {
		return nil, fmt.Errorf("%s: %w: `backup list` shows those that are there", id, ErrNoBackup)
	}
	if err != nil {
		return nil, err
	}
	return decodeCatalogue(keyOf(id), data)
}

// page is how many objects are listed at once.
const page = 1000

// each calls f for each object below a prefix, in the order of keys.
func each(ctx context.Context, place eventlog.BlobReader, prefix string, f func(eventlog.Blob)) error {
	for b, err := range eventlog.Objects(ctx, place, prefix, "") {
		if err != nil {
			return err
		}
		f(b)
	}
	return nil
}
