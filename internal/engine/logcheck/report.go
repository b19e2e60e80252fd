package logcheck

import (
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// Kind is a kind of problem.
type Kind string

// The kinds of problems of a log.
const (
	Hole            Kind = "hole"            // numbers are in no segment, or in two
	WrongHead       Kind = "wrongHead"       // the head is not the end of the segments
	ChainBroken     Kind = "chainBroken"     // a manifest does not follow on the log before it
	SealInvalid     Kind = "sealInvalid"     // a signed checkpoint was changed, or no trusted key has signed it
	SealDiffers     Kind = "sealDiffers"     // the log is not the one that was signed
	SealMissing     Kind = "sealMissing"     // a signed checkpoint is gone
	LogCut          Kind = "logCut"          // a signed checkpoint covers events that the log does not have
	BadManifest     Kind = "badManifest"     // a manifest contradicts itself or its segment
	ManifestMissing Kind = "manifestMissing" // there is none beside the segment
	ManifestDiffers Kind = "manifestDiffers" // the one beside the segment differs from the ledger's
	ManifestExtra   Kind = "manifestExtra"   // the ledger does not have it: was the ledger lost?
	ObjectMissing   Kind = "objectMissing"   // the segment is gone
	ObjectDamaged   Kind = "objectDamaged"   // the segment is not what was written
	LineUnreadable  Kind = "lineUnreadable"  // a line is no event, or not one that belongs there
	EventMissing    Kind = "eventMissing"    // the store has it, the log does not
	EventExtra      Kind = "eventExtra"      // the log has it, the store does not
	EventDiffers    Kind = "eventDiffers"    // the log has another than the store, or two
	VersionHole     Kind = "versionHole"     // a stream of the store lacks a version
	EventInvalid    Kind = "eventInvalid"    // an event that the store should not have accepted
	IDRepeated      Kind = "idRepeated"      // two events of the store share an id
	Misfit          Kind = "misfit"          // stores that do not belong together
)

// Kinds lists all kinds.
var Kinds = []Kind{
	Hole, WrongHead, ChainBroken, SealInvalid, SealDiffers, SealMissing, LogCut, BadManifest, ManifestMissing, ManifestDiffers, ManifestExtra, ObjectMissing, ObjectDamaged,
	LineUnreadable, EventMissing, EventExtra, EventDiffers, VersionHole, EventInvalid, IDRepeated, Misfit,
}

// Problem is one finding. Only the fields that apply are set.
type Problem struct {
	Kind    Kind   `json:"kind"`
	Segment uint64 `json:"segment,omitempty"` // number of its first event
	Key     string `json:"key,omitempty"`     // key of an object
	Number  uint64 `json:"eventNumber,omitempty"`
	Stream  string `json:"stream,omitempty"`
	Version uint64 `json:"version,omitempty"`
	EventID string `json:"eventId,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Fixed   bool   `json:"fixed,omitempty"`
}

// maxProblems bounds the problems that are described in detail; all are counted.
const maxProblems = 200

// Findings are the problems of a log or a store.
type Findings struct {
	Sound    bool         `json:"sound"` // all problems, if any, were fixed
	Counts   map[Kind]int `json:"counts,omitempty"`
	Fixed    map[Kind]int `json:"fixed,omitempty"` // of those, the fixed ones
	Problems []Problem    `json:"problems,omitempty"`
}

func (f *Findings) add(p Problem) {
	if f.Counts == nil {
		f.Counts, f.Fixed = map[Kind]int{}, map[Kind]int{}
	}
	f.Counts[p.Kind]++
	if p.Fixed {
		f.Fixed[p.Kind]++
	}
	if len(f.Problems) < maxProblems {
		f.Problems = append(f.Problems, p)
	}
}

// Total returns the number of problems.
func (f *Findings) Total() int { return sum(f.Counts) }

// Mended returns how many of the problems were fixed.
func (f *Findings) Mended() int { return sum(f.Fixed) }

func sum(counts map[Kind]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// conclude sets Sound.
func (f *Findings) conclude() {
	f.Sound = f.Total() == f.Mended()
}

// Report is the outcome of Verify.
type Report struct {
	Findings
	Deep     bool          `json:"deep"`
	Head     eventlog.Head `json:"head"`
	Bytes    int64         `json:"bytes"`
	RawBytes int64         `json:"rawBytes"`
	// Orphans are old objects that belong to no segment, left by archivers that died. They do no harm.
	Orphans     int   `json:"orphans"`
	OrphanBytes int64 `json:"orphanBytes"`
	// The following are set by a deep verification only.
	Streams  int    `json:"streams,omitempty"`  // of the store
	Events   uint64 `json:"events,omitempty"`   // of the store
	Read     uint64 `json:"read,omitempty"`     // events of the log, repeats included
	Repeats  uint64 `json:"repeats,omitempty"`  // events that the log has more than once
	Appended int    `json:"appended,omitempty"` // events that were appended to the log to fix it
	// Unarchived events are in the store only, since the archiver has not got to them. Nothing proves them yet.
	Unarchived uint64 `json:"unarchived,omitempty"`

	DurationMs int64         `json:"durationMs"`
	At         event.Instant `json:"at"`
}
