// Package loans is a second, tiny domain: what a library lends. It stands on the engine as the canteen
// does, and so shows what a domain has to bring, and that the engine knows none.
package loans

import (
	"fmt"
	"strings"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

var (
	kind     = event.Kind{Prefix: "loan-", Key: "loanId", Types: "Loan"}
	taken    = event.Define[Taken](kind, 1)
	returned = event.Define[Returned](kind, 1)
)

// Taken says that a reader has taken a book home.
type Taken struct {
	LoanID string `json:"loanId"`
	Book   string `json:"book"`
}

// EventType is event.Payload.
func (Taken) EventType() string { return "LoanTaken" }

// Decode reads the payload of e.
func (p *Taken) Decode(e *event.Event) error {
	f := taken.Fields(e)
	*p = Taken{LoanID: f.ID(), Book: f.Required("book")}
	return f.Err()
}

// Returned says that the book is back.
type Returned struct {
	LoanID string `json:"loanId"`
}

// EventType is event.Payload.
func (Returned) EventType() string { return "LoanReturned" }

// Decode reads the payload of e.
func (p *Returned) Decode(e *event.Event) error {
	f := returned.Fields(e)
	p.LoanID = f.ID()
	return f.Err()
}

// Row is one loan. Totals count the loans of each book, and those that are back.
type Row struct {
	LoanID string        `json:"loanId"`
	Book   string        `json:"book"`
	Since  event.Instant `json:"since"`
	Back   bool          `json:"back"`
}

// Projection is the list of loans.
func Projection() model.Projection {
	return model.Projection{Name: "loans", Revision: 1, Streams: kind.Prefix, NewRow: func() model.Row { return new(Row) }}
}

// Apply is model.Row.
func (r *Row) Apply(e *event.Event) error {
	p, err := event.DecodePayload(e)
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case Taken:
		*r = Row{LoanID: strings.Clone(p.LoanID), Book: strings.Clone(p.Book), Since: e.OccurredAt}
	case Returned:
		if r.Book == "" || r.Back {
			return fmt.Errorf("loan %s is not out", p.LoanID)
		}
		r.Back = true
	}
	return nil
}

// Contributions is model.Row.
func (r *Row) Contributions() []model.Contribution {
	all := []model.Contribution{model.Add(r.Book, "taken", 1)}
	if r.Back {
		all = append(all, model.Add(r.Book, "back", 1))
	}
	return all
}

// Place is model.Row: loans are listed by book.
func (r *Row) Place() model.Place { return model.Place{Bucket: r.Book, Sort: r.Since.String()} }
