package rebuild

import (
	"fmt"
	"strconv"
	"time"

	"gakushoku/internal/event"
)

// Request describes a run: the input of the state machine. With only a projection's name it asks for a
// complete rebuild.
type Request struct {
	Projection string `json:"projection"`

	// Scratch: the read model as of a past event or moment, in a table version that readers are never
	// switched to.
	UntilNumber uint64        `json:"untilNumber,omitempty"`
	Until       event.Instant `json:"until,omitzero"`

	// Heal: only these streams, or those with an event at or after this number, in the existing table
	// versions.
	Streams         []string `json:"streams,omitempty"`
	FromEventNumber uint64   `json:"fromEventNumber,omitempty"`

	DryRun         bool     `json:"dryRun,omitempty"`      // fold and count, write no rows
	Approve        bool     `json:"approve,omitempty"`     // ask an operator before the switch
	Soak           *Seconds `json:"soak,omitempty"`        // how long to keep the old version; absent: forever
	AllowParked    int      `json:"allowParked,omitempty"` // number of parked streams to tolerate
	MaxConcurrency int      `json:"maxConcurrency,omitempty"`
	Sample         float64  `json:"sample,omitempty"` // verify only this share of the rows, from 0 to 1
}

// The limits of a request.
const (
	maxStreams     = 1000
	maxConcurrency = 1000
	maxSoak        = 14 * 24 * time.Hour
)

// Mode is the kind of run that a request asks for.
type Mode string

// The kinds of runs.
const (
	ModeRebuild Mode = "rebuild"
	ModeScratch Mode = "scratch"
	ModeHeal    Mode = "heal"
	ModeDryRun  Mode = "dry-run"
)

// Check refuses a request that makes no sense in any state, with ErrBadRequest.
func (r *Request) Check() error {
	_, err := r.mode()
	return err
}

// mode returns the kind of run, and refuses contradictory fields.
func (r *Request) mode() (Mode, error) {
	until := r.UntilNumber > 0 || !r.Until.IsZero()
	heal := len(r.Streams) > 0 || r.FromEventNumber > 0
	switch {
	case r.Projection == "":
		return "", refusedAlways(`"projection" is missing: name the read model, as in {"projection":"NAME"}`)
	case heal && until:
		return "", refusedAlways("streams and fromEventNumber repair the rows that are there, untilNumber and until make others: choose one")
	case heal && (r.DryRun || r.Approve || r.Soak != nil):
		return "", refusedAlways("dryRun, approve and soak are for whole rebuilds, not for streams and fromEventNumber")
	case len(r.Streams) > 0 && r.FromEventNumber > 0:
		return "", refusedAlways("streams and fromEventNumber: choose one")
	case r.UntilNumber > 0 && !r.Until.IsZero():
		return "", refusedAlways("untilNumber and until: choose one")
	case until && (r.Approve || r.Soak != nil):
		return "", refusedAlways("nobody is switched to a past moment: leave out approve and soak")
	}
	if err := r.checkBounds(); err != nil {
		return "", err
	}
	switch {
	case heal:
		return ModeHeal, nil
	case r.DryRun:
		return ModeDryRun, nil
	case until:
		return ModeScratch, nil
	}
	return ModeRebuild, nil
}

func (r *Request) checkBounds() error {
	for _, s := range r.Streams {
		if s == "" || len(s) > event.MaxStreamBytes {
			return refusedAlways("%q is not the name of a stream, such as PREFIX-ID", s)
		}
	}
	switch {
	case len(r.Streams) > maxStreams:
		return refusedAlways("%d streams, at most %d at once: use fromEventNumber, or a whole rebuild", len(r.Streams), maxStreams)
	case r.MaxConcurrency < 0 || r.MaxConcurrency > maxConcurrency:
		return refusedAlways("maxConcurrency is %d: from 1 to %d, or leave it out", r.MaxConcurrency, maxConcurrency)
	case r.AllowParked < 0:
		return refusedAlways("allowParked is %d: how many parked streams are no reason to stop, from 0", r.AllowParked)
	case r.Sample < 0 || r.Sample > 1:
		return refusedAlways("sample is %v: the share of the rows to verify, from 0 to 1", r.Sample)
	case r.Soak != nil && (*r.Soak < 0 || time.Duration(*r.Soak) > maxSoak):
		return refusedAlways("soak is %s: from 0s to %s", time.Duration(*r.Soak), maxSoak)
	}
	return nil
}

// ParseRequest reads the input of a run strictly: an unknown field, or a field explicitly set to the value
// that its absence means, would result in another run than was meant.
func ParseRequest(raw []byte) (Request, error) {
	var r Request
	given, err := readStrictly(raw, &r)
	if err != nil {
		return r, refusedAlways("the input is not as it should be: %v; the least is {\"projection\":\"NAME\"}", err)
	}
	switch {
	case given["fromEventNumber"] && r.FromEventNumber == 0, given["untilNumber"] && r.UntilNumber == 0:
		return r, refusedAlways("fromEventNumber and untilNumber are numbers of events, from 1: leave them out for a whole rebuild")
	case given["until"] && r.Until.IsZero():
		return r, refusedAlways("until is no moment: leave it out for a whole rebuild")
	case given["streams"] && len(r.Streams) == 0:
		return r, refusedAlways("streams is empty: name the streams to repair, or leave it out for a whole rebuild")
	case given["maxConcurrency"] && r.MaxConcurrency == 0:
		return r, refusedAlways("maxConcurrency is 0: from 1 to %d, or leave it out", maxConcurrency)
	case given["sample"] && r.Sample == 0:
		return r, refusedAlways("sample is 0: the share of the rows to verify, up to 1, or leave it out to verify all")
	}
	return r, nil
}

// Seconds is a duration in whole seconds; in JSON a number, or text such as "10m".
type Seconds time.Duration

// MarshalJSON writes a number of seconds.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, s.Whole(), 10), nil
}

// Whole returns the number of seconds, rounded up.
func (s Seconds) Whole() int64 { return int64((time.Duration(s) + time.Second - 1) / time.Second) }

// UnmarshalJSON reads either form.
func (s *Seconds) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		*s = Seconds(time.Duration(n) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%s is not a time such as 600 (seconds) or \"10m\"", raw)
	}
	*s = Seconds(d)
	return nil
}
