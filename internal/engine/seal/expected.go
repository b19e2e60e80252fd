package seal

import (
	"slices"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Expected is what is known from another place of the seals beside a log. An intruder who can delete seals may
// be able to change that too: it finds accidents and careless hands. Copies of the seals elsewhere find the rest.
type Expected struct {
	Number uint64    // there was a seal up to this event
	Looked time.Time // when a round last saw to it that all of the log is sealed; zero: none has
	// Since is when the key was made that seals are signed with; zero if that is not known. All uses it when no
	// round is known.
	Since, Now time.Time

	oldest event.Instant // when the first segment was made
}

const (
	// roundTakes bounds the time from the making of a segment to its commit, and that of a round.
	roundTakes = time.Minute
	// overdue is how long a server may run before the log has its first seal.
	overdue = Every + Every/4
)

// covers notes a segment: if it was there when a round looked, a seal covers it.
func (x *Expected) covers(m *eventlog.Manifest) {
	if x.oldest == 0 {
		x.oldest = m.CreatedAt
	}
	if m.CreatedAt.Time().Add(roundTakes).Before(x.Looked) {
		x.Number = max(x.Number, m.Last)
	}
}

// missing adds the problem that the newest seal is gone. One that was changed is a problem already.
func (r *Report) missing(x *Expected) {
	invalid := func(p Problem) bool { return p.Kind == SealInvalid }
	if r.own < x.Number && !slices.ContainsFunc(r.Problems, invalid) {
		r.add(SealMissing, x.Number, "the log was sealed up to event %d, and the newest checkpoint beside it is of event %d: those after it were deleted or lost", x.Number, r.own)
	}
}

// overdue adds the problem that there is no seal at all, although a server could have made one.
func (r *Report) overdue(x *Expected) {
	if r.own > 0 || r.Total > 0 || !x.Looked.IsZero() || x.Since.IsZero() || x.oldest == 0 {
		return
	}
	if since := later(x.oldest.Time(), x.Since); since.Add(overdue).Before(x.Now) {
		r.add(SealMissing, r.Head.Number, "nothing is sealed, although a key and events to be sealed are there since %s: the checkpoints were deleted or lost, or no server has run for an hour", event.InstantOf(since))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
