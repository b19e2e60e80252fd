// Package credential keeps what callers prove themselves with: device keys, as hashes, and the secrets that
// sign sessions. The records are few, so readers take all of a kind at once.
package credential

import (
	"context"
	"encoding/json"
	"errors"
)

// The kinds of records.
const (
	KindKey    = "key"    // a device key
	KindSecret = "secret" // a secret that signs sessions
)

// Errors of a Store.
var (
	ErrExists  = errors.New("a record of this kind has this id")
	ErrChanged = errors.New("the record has changed since it was read")
)

// Record is one stored credential.
type Record struct {
	ID       string
	Revision uint64          // 1 after Add, one more after each Replace
	Value    json.RawMessage // a JSON value
}

// Store keeps records by kind and id. All errors but ErrExists and ErrChanged are those of the store itself.
type Store interface {
	// Credentials returns all records of a kind by id, as of the last write.
	Credentials(ctx context.Context, kind string) ([]Record, error)
	// AddCredential adds a record, whose revision becomes 1. It fails with ErrExists if the kind has its id.
	AddCredential(ctx context.Context, kind string, r Record) error
	// ReplaceCredential replaces the value of the record with this id and revision, and counts the revision
	// up. It fails with ErrChanged if there is none.
	ReplaceCredential(ctx context.Context, kind string, r Record) error
}
