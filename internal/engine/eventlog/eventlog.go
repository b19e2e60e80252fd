// Package eventlog is the numbered, immutable log of everything that was ever appended. Replays, backups and
// audits read it. The archiver cuts the event store's feed into segments, gives every event its number
// (dense, from 1), and commits each segment by compare-and-set.
// infra/DESIGN.md section 7 is the specification; package eventlogtest holds the contracts of the
// ports.
package eventlog

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"gakushoku/internal/event"
)

// Partitions is the number of parts that the streams of every segment are divided into. Each manifest
// records it, and a manifest with another number is refused.
const Partitions = 16

// HashOf hashes a stream's name: HashOf % Partitions is its partition, and HashOf / Partitions divides a
// partition further. Every segment is sorted by it, so it never changes: FNV-1a of 64 bits, with its
// halves mixed so that the low bits depend on the whole name.
func HashOf(stream string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(stream)) //nolint:errcheck // it cannot fail
	sum := h.Sum64()
	return sum ^ sum>>32
}

// PartitionOf returns the partition of a stream, from 0.
func PartitionOf(stream string) int { return int(HashOf(stream) % Partitions) }

// Manifest describes one committed segment: which events it holds, and where. The order of
// its lines is the order of the log: the number of an event is First plus its line, from 0.
type Manifest struct {
	First      uint64        `json:"first"` // number of the first event
	Last       uint64        `json:"last"`  // of the last
	Key        string        `json:"key"`   // of the object
	Bytes      int64         `json:"bytes"` // of the object
	RawBytes   int64         `json:"rawBytes"`
	SHA256     string        `json:"sha256"` // of the object, in hexadecimal
	Partitions int           `json:"partitions"`
	Frames     []Frame       `json:"frames"`   // in the order of the object; partitions without events have none
	OldestAt   event.Instant `json:"oldestAt"` // smallest occurredAt
	NewestAt   event.Instant `json:"newestAt"` // largest occurredAt
	CreatedAt  event.Instant `json:"createdAt"`
	// Previous is the chain's hash of the log before this segment; "" in a manifest from before there was a
	// chain.
	Previous string `json:"previous,omitempty"`
}

// Count is the number of events.
func (m *Manifest) Count() int { return int(m.Last - m.First + 1) }

// Frame is the part of a segment with one partition's events: a zstd frame of its own.
type Frame struct {
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"` // in the object
	Length    int64  `json:"length"` // in the object
	First     uint64 `json:"first"`  // number of its first event
	Count     int    `json:"count"`
	SHA256    string `json:"sha256,omitempty"` // of its bytes, in hexadecimal; older manifests have none
}

// Head is the end of the log.
type Head struct {
	Number      uint64        `json:"number"`   // of the last event; 0: the log is empty
	Segments    uint64        `json:"segments"` // how many there are
	CommittedAt event.Instant `json:"committedAt,omitzero"`
	// Chain is the chain's hash; "" if the log is empty or its last manifest is from before the chain.
	Chain string `json:"chain,omitempty"`
}

// Commit is a segment on its way into the log.
type Commit struct {
	Manifest Manifest
	Source   string // the batch's first record, by its name at the source, such as a stream's sequence number
	Records  int    // number of the source's records that the segment covers, from Source on
}

// Errors of Ledger.
var (
	// ErrHeadMoved means that another segment was committed meanwhile: read the head, renumber the segment,
	// try again.
	ErrHeadMoved = errors.New("the head of the log has moved since it was read")
	// ErrClaimed means that the batch, or its beginning, is already in the log.
	ErrClaimed = errors.New("the batch was committed before")
	// ErrNoFit means that manifests to be restored do not belong to this log, or leave a hole.
	ErrNoFit = errors.New("the manifests do not fit the log")
)

// Ledger is the port to the log's control records. Reads are strongly consistent. Retryable errors are
// wrapped with fault.Unavailable.
type Ledger interface {
	// Head returns the head; that of an empty log is zero.
	Head(ctx context.Context) (Head, error)
	// Claimed returns the claim of the commit whose batch began with the record source; zero when there is
	// none. Claims are kept for at least ClaimsKept.
	Claimed(ctx context.Context, source string) (Claim, error)
	// Commit moves the head from Manifest.First-1 to Manifest.Last, adds the manifest and
	// claims the source, all or nothing. The head's time becomes Manifest.CreatedAt, its chain
	// Manifest.Chained. It fails with ErrClaimed, or else ErrHeadMoved, also when Head.Follows denies it, and
	// is safe to repeat: a commit whose response was lost is ErrClaimed the second time. It refuses what
	// Commit.Check refuses.
	Commit(ctx context.Context, c Commit) error
	// Manifests returns those whose Last is above after, in the order of the log, at most
	// limit, which is above 0; fewer only at the end, none when there is nothing above after.
	Manifests(ctx context.Context, after uint64, limit int) ([]Manifest, error)
	// Restore puts manifests, in the order of the log, into an empty or shorter ledger and moves the head
	// past the last: for a ledger that was lost. Manifests at or below the head must already be there and be
	// equal; the others must follow the head without a hole, and name its chain. Otherwise it fails with ErrNoFit and changes
	// nothing. It is safe to repeat, also with more manifests, and after a failure part-way. If another
	// process moves the head meanwhile, it may fail with ErrHeadMoved. It restores no claims.
	Restore(ctx context.Context, manifests []Manifest) error
}

// Claim is the part of the source that a commit covers. The zero value covers nothing.
type Claim struct {
	Records int    // how many, from the claimed one on
	First   uint64 // Manifest.First of the segment they are in
}

// ClaimsKept is how long a claim must be remembered. A batch of a DynamoDB stream may be delivered again
// while its records live, which is 24 hours.
const ClaimsKept = 7 * 24 * time.Hour

// Errors of Blobs.
var (
	// ErrNoBlob means that no object has the key.
	ErrNoBlob = errors.New("there is no such object")
	// ErrExists means that another object has the key.
	ErrExists = errors.New("another object is there")
)

// Blobs is the port to objects: segments, manifests, work lists and reports. All methods refuse a key that
// CheckKey refuses. No key is the folder of another. Once Put has returned, the object survives a crash and
// every later read sees it; no read ever sees a part of an object, even after a Put that failed. Callers and
// stores do not share the memory of data. Retryable errors are wrapped with fault.Unavailable.
type Blobs interface {
	BlobReader
	Creator
	// Put stores an object, replacing an existing one. A store may refuse to replace one segment by another.
	Put(ctx context.Context, key string, data []byte) error
	// Delete removes an object; it does nothing if there is none.
	Delete(ctx context.Context, key string) error
}

// Creator is the part of Blobs that decides between writers.
type Creator interface {
	// Create puts an object where none is, and fails with ErrExists where another is. An object with the same
	// bytes counts as this one, so the call is safe to repeat after a response was lost. Of writers with
	// different bytes one succeeds: who must know whether it was this one puts something unique into data.
	Create(ctx context.Context, key string, data []byte) error
}

// BlobReader is the read-only half of Blobs.
type BlobReader interface {
	// Get returns an object's data. It fails with ErrNoBlob, or with ErrTooLarge as CheckSize does.
	Get(ctx context.Context, key string) ([]byte, error)
	// GetRange returns length bytes, at least one, from offset on. It fails with ErrNoBlob, or if there are
	// fewer bytes.
	GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error)
	// List returns the objects whose keys begin with prefix, which may end within a name, and sort above
	// after, which need not exist; "" starts. They come in the byte order of their keys, at most limit (above
	// 0), and fewer only at the end.
	List(ctx context.Context, prefix, after string, limit int) ([]Blob, error)
}

// Blob is an object as listed.
type Blob struct {
	Key     string
	Bytes   int64
	Changed time.Time
}
