package readmodel

import (
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// The name of the projection of stock and the revision of its fold.
const (
	StockName     = "stock"
	StockRevision = 1
)

// Stocks returns the projection of the stock of each product and day.
func Stocks() model.Projection {
	return model.Projection{
		Name: StockName, Revision: StockRevision, Streams: stock.StreamPrefix,
		NewRow: func() model.Row { return new(Stock) },
	}
}

// StockView returns how readers query stock.
func StockView() model.View {
	return model.View{
		Projection: StockName, Kind: stock.Rules.Kind, CheckBucket: day.Check,
		NotFound:   refusal.New(stock.CodeNotFound, "no stock is set for this product and day, and nobody has ordered it: there is enough"),
		NotReached: stock.CodeNotReached,
		Queries:    model.QueryNames{Get: "GetStock", List: "ListStock"},
	}
}

// Stock is the row of one product on one day: the numbers, without what each order holds.
type Stock struct {
	Day       string        `json:"day"`
	ProductID string        `json:"productId"`
	Limited   bool          `json:"limited"`  // false: no number was set, so there are enough
	Portions  int64         `json:"portions"` // set for the day
	Reserved  int64         `json:"reserved"`
	Sold      int64         `json:"sold"`
	ChangedAt event.Instant `json:"changedAt,omitzero"`
}

// Free returns how many portions are left, if the stock is limited.
func (s *Stock) Free() int64 { return s.Portions - s.Reserved - s.Sold }

// Apply implements model.Row.
func (s *Stock) Apply(e *event.Event) error {
	payload, err := event.DecodePayload(e)
	if err != nil {
		return known(err)
	}
	next, id := *s, ""
	switch p := payload.(type) {
	case stock.Set:
		id, next.Limited, next.Portions = p.StockID, true, p.Portions
	case stock.Reserved:
		id, next.Reserved = p.StockID, s.Reserved+p.Quantity
	case stock.Sold:
		id, next.Reserved, next.Sold = p.StockID, s.Reserved-p.Quantity, s.Sold+p.Quantity
	case stock.Released:
		id, next.Reserved, next.Sold = p.StockID, s.Reserved-p.Reserved, s.Sold-p.Sold
	default:
		return nil
	}
	if next.Reserved < 0 || next.Sold < 0 || next.Limited && next.Free() < 0 {
		return fmt.Errorf("%s of %s leaves %d portions reserved, %d sold and %d free", e.Type, id, next.Reserved, next.Sold, next.Free())
	}
	if s.ProductID == "" {
		if next.Day, next.ProductID, err = stock.Split(strings.Clone(id)); err != nil {
			return err
		}
	}
	next.ChangedAt = e.OccurredAt
	*s = next
	return nil
}

// Contributions implements model.Row.
func (s *Stock) Contributions() []model.Contribution { return nil }

// Place implements model.Row: stock is listed by day.
func (s *Stock) Place() model.Place {
	if s.ProductID == "" {
		return model.Place{}
	}
	return model.Place{Bucket: s.Day, Sort: s.ProductID}
}

// known drops the error about a type of event that this program does not know: it does not concern the row.
func known(err error) error {
	if errors.Is(err, event.ErrUnknownType) {
		return nil
	}
	return err
}
