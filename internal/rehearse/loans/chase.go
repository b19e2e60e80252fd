package loans

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// The steps of the process that chases books: a reminder after two weeks, a fine after four, and the fine is
// taken back when the book comes back.
const (
	StepRemind = "remind"
	StepFine   = "fine"
	StepWaive  = "waive"

	remindAfter = 14 * 24 * time.Hour
	fineAfter   = 28 * 24 * time.Hour
)

var chased = event.Define[Chased](kind, 1)

// Chased says that a step was carried out.
type Chased struct {
	LoanID string `json:"loanId"`
	Step   string `json:"step"`
}

// EventType is event.Payload.
func (Chased) EventType() string { return "LoanChased" }

// Decode reads the payload of e.
func (p *Chased) Decode(e *event.Event) error {
	f := chased.Fields(e)
	*p = Chased{LoanID: f.ID(), Step: f.Required("step")}
	return f.Err()
}

// Chase is the row of the process: one loan, and what was done to have the book back.
type Chase struct {
	Since  event.Instant `json:"since"`
	BackAt event.Instant `json:"backAt,omitzero"`
	Last   string        `json:"last,omitempty"` // the last step
}

// Chasing is the process.
func Chasing() model.Process {
	return model.Process{
		Projection: model.Projection{Name: "chasing", Revision: 1, Streams: kind.Prefix, NewRow: func() model.Row { return new(Chase) }},
		Steps:      []string{StepRemind, StepFine, StepWaive},
	}
}

// Next is model.ProcessRow.
func (r *Chase) Next() (model.Task, bool) {
	after := func(step string, d time.Duration) (model.Task, bool) {
		return model.Task{Step: step, Due: event.InstantOf(r.Since.Time().Add(d))}, true
	}
	switch {
	case !r.BackAt.IsZero() && r.Last == StepFine:
		return model.Task{Step: StepWaive, Due: r.BackAt, Undo: true}, true
	case !r.BackAt.IsZero():
		return model.Task{}, false
	case r.Last == "":
		return after(StepRemind, remindAfter)
	case r.Last == StepRemind:
		return after(StepFine, fineAfter)
	}
	return model.Task{}, false
}

// Apply is model.Row.
func (r *Chase) Apply(e *event.Event) error {
	p, err := event.DecodePayload(e)
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case Taken:
		*r = Chase{Since: e.OccurredAt}
	case Returned:
		r.BackAt = e.OccurredAt
	case Chased:
		r.Last = strings.Clone(p.Step)
	}
	return nil
}

// Contributions is model.Row.
func (r *Chase) Contributions() []model.Contribution { return nil }

// Place is model.Row: the rows are not listed.
func (r *Chase) Place() model.Place { return model.Place{} }

// Note is the command that records a step.
type Note struct{ LoanID, Step string }

// CommandName is model.Command.
func (Note) CommandName() string { return "NoteChase" }

// NotNow is the refusal of a step that is not what the loan waits for.
type NotNow struct{ Step string }

func (e NotNow) Error() string { return fmt.Sprintf("the loan does not wait for %s", e.Step) }

// DomainCode is fault.DomainError.
func (NotNow) DomainCode() string { return "loan/not-now" }

// Rules are the rules of Note.
var Rules = model.Decider[Chase, Note]{
	Kind: kind,
	Decide: func(s Chase, c Note) ([]event.Payload, error) {
		if next, ok := s.Next(); !ok || next.Step != c.Step {
			return nil, NotNow{c.Step}
		}
		return []event.Payload{Chased(c)}, nil
	},
	Evolve: func(s Chase, e *event.Event) (Chase, error) {
		err := s.Apply(e)
		return s, err
	},
}

// Librarian carries out the steps: it sends letters, then notes on the loan that it did.
type Librarian struct {
	Commands *command.Handler
	Send     func(id, step string) error
}

// Perform is process.Performer.
func (l *Librarian) Perform(ctx context.Context, c process.Call) ([]event.Event, error) {
	if err := l.Send(c.ID, c.Step); err != nil {
		return nil, err
	}
	id := strings.TrimPrefix(c.Stream, kind.Prefix)
	r, err := command.Execute(ctx, l.Commands, Rules, command.Request[Note]{ID: id, Key: c.ID, Command: Note{id, c.Step}, Known: c.History})
	return r.Events, err
}
