package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// Subjects erases subjects, and looks for plain text that names them.
type Subjects struct {
	Eraser *subject.Eraser
	Box    *subject.Box
	Store  interface { // the event store
		eventstore.Loader
		eventstore.Lister
	}
	// EachEvent calls do with every event of the log.
	EachEvent func(ctx context.Context, do func(*event.Event) error) error
	// Elsewhere looks in log files, traces and rows; nil: they are not looked at.
	Elsewhere func(ctx context.Context, texts []string, found func(place, text string)) error
}

// Found is what is known about a subject, and where it is in plain text.
type Found struct {
	Subject  string        `json:"subject"`
	Erased   event.Instant `json:"erasedAt,omitzero"`
	First    bool          `json:"first,omitempty"` // this call destroyed the key
	Commands int           `json:"commands"`        // events of commands that the subject sent: they stay
	// Chosen are ids that the subject's clients have chosen, at most maxChosen: ids of operations and orders, and
	// keys of commands. They cannot be encrypted, since people search by them; a person must judge whether they
	// name anybody.
	Chosen   []string          `json:"chosenIds,omitempty"`
	Texts    []string          `json:"-"`         // that were looked for: they name a person
	LookedAt int               `json:"texts"`     // how many
	Places   []string          `json:"places"`    // that were looked at
	Plain    map[string]int    `json:"plainText"` // how often texts are in each place
	Examples map[string]string `json:"examples,omitempty"`
}

// Total returns how often plain text was found.
func (f *Found) Total() (n int) {
	for _, count := range f.Plain {
		n += count
	}
	return n
}

// maxChosen bounds Found.Chosen.
const maxChosen = 20

// ErrUnknownSubject means that nothing is recorded of a subject.
var ErrUnknownSubject = errors.New("nothing is recorded of such a caller")

// The places.
const (
	placeEvents = "event store"
	placeLog    = "log"
)

// Find looks for the subject's name, address and program, as far as its key still tells them, and for more
// texts, in events, log, rows, log files and traces. It changes nothing.
func (s *Subjects) Find(ctx context.Context, who string, more []string) (*Found, error) {
	f := &Found{Subject: who, Plain: map[string]int{}, Examples: map[string]string{}}
	if err := s.known(ctx, f, more); err != nil {
		return nil, fmt.Errorf("looking for %s: %w", who, err)
	}
	return f, s.sweep(ctx, f)
}

// Erase destroys the key of a subject, leaves its tombstones, and then looks for plain text like Find. What
// the subject did stays recorded under its opaque id. It may be repeated.
func (s *Subjects) Erase(ctx context.Context, who string, more []string) (*Found, error) {
	f := &Found{Subject: who, Plain: map[string]int{}, Examples: map[string]string{}}
	if err := s.known(ctx, f, more); err != nil {
		return nil, fmt.Errorf("erasing %s: %w", who, err)
	}
	left, first, err := s.Eraser.Erase(ctx, who)
	if err != nil {
		return nil, err
	}
	s.Box.Forget(who)
	f.Erased, f.First = left.At, first
	return f, s.sweep(ctx, f)
}

// known gathers the texts that name the subject, while its key still opens them.
func (s *Subjects) known(ctx context.Context, f *Found, more []string) error {
	texts := map[string]bool{}
	for _, text := range more {
		texts[text] = true
	}
	seen := false
	err := s.EachEvent(ctx, func(e *event.Event) error {
		if audit.SubjectOf(e.Actor, e.OccurredAt.Time()) != f.Subject {
			return nil
		}
		seen = seen || e.Actor != "" || e.Command != ""
		if f.chosen(e); e.Command == "" {
			return nil
		}
		f.Commands++
		o, err := s.Box.Open(ctx, f.Subject, e.Origin)
		if err == nil {
			for _, text := range []string{o.Name, o.Address, o.Program, o.Words} {
				texts[strings.Clone(text)] = true
			}
		}
		return ctx.Err()
	})
	for text := range texts {
		if names(text) {
			f.Texts = append(f.Texts, text)
		}
	}
	slices.Sort(f.Texts)
	f.LookedAt = len(f.Texts)
	if err != nil || seen {
		return err
	}
	if _, err := s.Box.Keys.Key(ctx, f.Subject); !errors.Is(err, subject.ErrErased) {
		return cmp.Or(notThere(err), ErrUnknownSubject)
	}
	return nil
}

// notThere drops errors that say that a key is not there.
func notThere(err error) error {
	if errors.Is(err, subject.ErrNoKey) {
		return nil
	}
	return err
}

// chosen notes the ids of an event that the system has not made.
func (f *Found) chosen(e *event.Event) {
	_, id, _ := strings.Cut(e.Stream, "-")
	for _, id := range []string{e.CorrelationID, e.CommandID, id} {
		if len(f.Chosen) < maxChosen && id != "" && !observe.IsMade(id) && !slices.Contains(f.Chosen, id) {
			f.Chosen = append(f.Chosen, strings.Clone(id))
		}
	}
}

// names reports whether a text can name a person: an address of this machine does not, nor does a text that
// is in everything.
func names(text string) bool {
	const shortest = 3
	if at, err := netip.ParseAddr(text); err == nil {
		return !at.IsLoopback() && !at.IsUnspecified()
	}
	return len(text) >= shortest
}

// sweep looks for the texts in every place.
func (s *Subjects) sweep(ctx context.Context, f *Found) error {
	found := func(place, text, where string) {
		if f.Plain[place]++; f.Examples[place] == "" {
			f.Examples[place] = where
		}
	}
	look := func(place, where, line string) {
		for _, text := range f.Texts {
			if strings.Contains(line, text) {
				found(place, text, where)
			}
		}
	}
	f.Places = []string{placeEvents, placeLog}
	if len(f.Texts) == 0 {
		return nil
	}
	err := s.events(ctx, func(e *event.Event) {
		look(placeEvents, fmt.Sprintf("%s version %d", e.Stream, e.Version), string(event.AppendJSON(nil, e)))
	})
	if err == nil {
		err = s.EachEvent(ctx, func(e *event.Event) error {
			look(placeLog, fmt.Sprintf("%s version %d", e.Stream, e.Version), string(event.AppendJSON(nil, e)))
			return ctx.Err()
		})
	}
	if err == nil && s.Elsewhere != nil {
		f.Places = append(f.Places, "rows, log lines, traces")
		err = s.Elsewhere(ctx, f.Texts, func(place, text string) { found(place, text, place) })
	}
	if err != nil {
		return fmt.Errorf("looking for plain text of %s: %w", f.Subject, err)
	}
	return nil
}

// events calls do with every event of the store.
func (s *Subjects) events(ctx context.Context, do func(*event.Event)) error {
	const page = 500
	for cursor := ""; ; {
		names, next, err := s.Store.Streams(ctx, eventstore.All, cursor, page)
		if err != nil {
			return err
		}
		streams, err := s.Store.LoadMany(ctx, names)
		if err != nil {
			return err
		}
		for _, events := range streams {
			for i := range events {
				do(&events[i])
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}
