// Package observe carries what belongs to one operation (correlation id, trace context, caller) in the
// context, and creates the loggers that put it on every line.
package observe

import (
	"context"
	"crypto/rand"

	"github.com/oklog/ulid/v2"
)

// HeaderCorrelationID is the HTTP header of the correlation id, in requests and responses.
const HeaderCorrelationID = "x-correlation-id"

// maxCorrelationID bounds a correlation id, so that one header cannot fill the log.
const maxCorrelationID = 128

type correlationKey struct{}

// WithCorrelationID returns a context whose log lines carry id.
func WithCorrelationID(ctx context.Context, id string) context.Context {
	ctx = context.WithValue(ctx, correlationKey{}, id)
	return withLoggerField(ctx, FieldCorrelationID, id)
}

// CorrelationID returns the id of the operation of ctx, or "".
func CorrelationID(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey{}).(string)
	return id
}

// ValidCorrelationID reports whether a caller may use id: 1 to 128 characters of [A-Za-z0-9._:-], which
// cannot break a log line or a header.
func ValidCorrelationID(id string) bool {
	if id == "" || len(id) > maxCorrelationID {
		return false
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}

// NewID returns an id for an operation, an event or a command: a ULID, which sorts by time.
func NewID() string { return ulid.MustNew(ulid.Now(), rand.Reader).String() }

// IsMade reports whether an id looks like one that this system has made, and not like one that a client chose.
func IsMade(id string) bool {
	_, err := ulid.ParseStrict(id)
	return err == nil
}
