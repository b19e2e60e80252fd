// Package loans is a second, tiny domain: what a library lends. It stands on the engine as the canteen
// does, and so shows what a domain has to bring, and that the engine knows none.
package loans

import (
	"fmt"
	"strings"

	"gakushoku/internal/engine/query"
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

// Row is one loan of a book, which may be taken again once it is back. Totals count how often each book was
// taken, and the loans that are back.
type Row struct {
	LoanID string        `json:"loanId"`
	Book   string        `json:"book"`
	Since  event.Instant `json:"since"`
	Times  int64         `json:"times"`
	Back   bool          `json:"back"`
}

// Projection is the list of loans.
func Projection() model.Projection {
	return model.Projection{Name: "loans", Revision: 1, Streams: kind.Prefix, NewRow: func() model.Row { return new(Row) }}
}

// View is how readers see loans.
func View() model.View {
	return model.View{
		Projection: "loans", Kind: kind, NotFound: &query.Error{Code: "loan/not-found", Detail: "there is no such loan"},
		Queries: model.QueryNames{Get: "GetLoan", List: "ListLoans", Total: "GetBook", History: "GetLoanEvents"},
	}
}

// Apply is model.Row.
func (r *Row) Apply(e *event.Event) error {
	p, err := event.DecodePayload(e)
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case Taken:
		if r.Times > 0 && !r.Back {
			return fmt.Errorf("loan %s is out", p.LoanID)
		}
		if r.Times == 0 {
			*r = Row{LoanID: strings.Clone(p.LoanID), Book: strings.Clone(p.Book), Since: e.OccurredAt}
		}
		r.Times, r.Back = r.Times+1, false
	case Returned:
		if r.Times == 0 || r.Back {
			return fmt.Errorf("loan %s is not out", p.LoanID)
		}
		r.Back = true
	}
	return nil
}

// Contributions is model.Row.
func (r *Row) Contributions() []model.Contribution {
	if r.Times == 0 {
		return nil
	}
	all := []model.Contribution{model.Add(r.Book, "taken", r.Times)}
	if r.Back {
		all = append(all, model.Add(r.Book, "back", 1))
	}
	return all
}

// Place is model.Row: loans are listed by book.
func (r *Row) Place() model.Place {
	if r.Times == 0 {
		return model.Place{}
	}
	return model.Place{Bucket: r.Book, Sort: r.Since.String() + "#" + r.LoanID}
}
