package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// Keys says whether every subject of the log still has its key, or was erased.
type Keys struct {
	Total  int       `json:"total"`          // subjects that have not
	Events uint64    `json:"events"`         // of these: what is encrypted in them cannot be read
	Lost   []LostKey `json:"lost,omitempty"` // the first of them
}

// LostKey is a subject whose name, address and program cannot be read any more, without an erasure that explains it.
type LostKey struct {
	Subject string `json:"subject"`
	Why     string `json:"why"`
	Events  uint64 `json:"events"`
	First   uint64 `json:"firstEvent"` // number of the first
	Last    uint64 `json:"lastEvent"`
}

// Why a key counts as lost.
const (
	whyNoKey    = "the key is gone"
	whyOtherKey = "the key is another one, or the event was changed"
	whyNoErased = "the key was destroyed, and no tombstone in the event store says that the subject was erased"
)

// keyCheck looks for the key of each subject.
type keyCheck struct {
	box    *subject.Box
	erased map[string]bool // subjects with a tombstone in the event store
	lost   map[string]*LostKey
	// accepted is the number of the event up to which an operator has accepted the loss of keys.
	accepted uint64
}

func (v *Verification) openKeys(ctx context.Context) (*keyCheck, error) {
	k := &keyCheck{lost: map[string]*LostKey{}}
	if v.Subjects == nil || v.Streams == nil {
		return k, nil
	}
	k.box = &subject.Box{Keys: v.Subjects, Now: time.Now}
	var err error
	k.erased, err = subject.Tombstones(ctx, v.Streams)
	return k, err
}

// check looks at one event of the log. Subjects without problems take no memory.
func (k *keyCheck) check(ctx context.Context, number uint64, e *event.Event) error {
	if loss, ok := lossOf(e); ok && loss.What == audit.LostKeys {
		k.accepted = max(k.accepted, uint64(max(0, loss.UpTo)))
	}
	if k.box == nil || e.Origin == "" {
		return nil
	}
	who := audit.SubjectOf(e.Actor, e.OccurredAt.Time())
	why := ""
	switch _, err := k.box.Open(ctx, who, e.Origin); {
	case err == nil, k.erased[who]:
		return nil
	case errors.Is(err, subject.ErrNoKey):
		why = whyNoKey
	case errors.Is(err, subject.ErrErased):
		why = whyNoErased
	case errors.Is(err, subject.ErrUnreadable):
		why = whyOtherKey
	default:
		return err
	}
	lost := k.lost[who]
	if lost == nil {
		lost = &LostKey{Subject: strings.Clone(who), Why: why, First: number}
		k.lost[lost.Subject] = lost
	}
	lost.Events, lost.Last = lost.Events+1, number
	return nil
}

func (k *keyCheck) found() (r Keys) {
	all := slices.SortedFunc(maps.Values(k.lost), func(a, b *LostKey) int { return cmp.Compare(a.First, b.First) })
	for _, lost := range all {
		if lost.Last <= k.accepted {
			continue
		}
		if r.Total++; len(r.Lost) < maxLacking {
			r.Lost = append(r.Lost, *lost)
		}
		r.Events += lost.Events
	}
	return r
}

// witness is a subject that no caller can be. Its key shows whether the keys are those that were there before.
const witness = "witness/keys"

// KeysReader is the name of the checkpoint that holds the digest of the witness's key.
const KeysReader = "subject-keys"

// Witness notices that the keys of subjects were lost as a whole.
type Witness struct {
	Subjects    subject.Keys
	Checkpoints projection.Checkpoints
}

// Begin leaves the witness where there is none yet.
func (w *Witness) Begin(ctx context.Context) error {
	c, err := w.Checkpoints.Checkpoint(ctx, KeysReader)
	if err != nil || c.Cursor != "" {
		return err
	}
	key, err := subject.NewKey(ctx, w.Subjects, witness)
	if err != nil {
		return fmt.Errorf("leaving a witness with the keys: %w", err)
	}
	return w.Checkpoints.SetCheckpoint(ctx, KeysReader, projection.Checkpoint{Cursor: digestOf(key)})
}

// beginAgain takes the keys that are there for the right ones.
func (w *Witness) beginAgain(ctx context.Context) error {
	if err := w.Checkpoints.SetCheckpoint(ctx, KeysReader, projection.Checkpoint{}); err != nil {
		return err
	}
	return w.Begin(ctx)
}

// Check fails with subject.ErrLost if the keys are not those that Begin found.
func (w *Witness) Check(ctx context.Context) error {
	c, err := w.Checkpoints.Checkpoint(ctx, KeysReader)
	if err != nil || c.Cursor == "" {
		return err
	}
	key, err := w.Subjects.Key(ctx, witness)
	if errors.Is(err, subject.ErrNoKey) || errors.Is(err, subject.ErrErased) || err == nil && digestOf(key) != c.Cursor {
		return subject.ErrLost
	}
	return err
}

func digestOf(key subject.Key) string {
	sum := sha256.Sum256(key[:])
	return hex.EncodeToString(sum[:])
}
