package query

import (
	"context"
	"strings"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
)

// Sales is what a business day (Asia/Tokyo) brought. Money is in yen. A payment counts on
// the day it was made, a refund on the day it was given.
type Sales struct {
	Day       string           `json:"day"`
	Orders    int64            `json:"orders"`
	Paid      int64            `json:"paid"`
	Cancelled int64            `json:"cancelled"`
	Refunded  int64            `json:"refunded"`
	Revenue   map[string]int64 `json:"revenue"` // by payment method; CARD and CASH are always there
	Refunds   map[string]int64 `json:"refunds"` // by payment method; CARD and CASH are always there
}

// Sales is the total of one day, such as 2026-01-24; all zero for a day without orders.
func (s *Service) Sales(ctx context.Context, day string) (Sales, error) {
	return answer(ctx, s, "GetSales", func(ctx context.Context) (Sales, error) {
		if err := readmodel.CheckDay(day); err != nil {
			return Sales{}, &Error{CodeInvalidDay, err.Error()}
		}
		var total map[string]int64
		_, err := s.read(ctx, func(a active) error {
			var err error
			total, err = s.Browser.Total(ctx, a.table, day)
			return err
		})
		if err != nil {
			return Sales{}, err
		}
		return Sales{
			Day: day, Orders: total[readmodel.FieldOrders], Paid: total[readmodel.FieldPaid],
			Cancelled: total[readmodel.FieldCancelled], Refunded: total[readmodel.FieldRefunded],
			Revenue: byMethod(total, readmodel.FieldRevenuePrefix), Refunds: byMethod(total, readmodel.FieldRefundsPrefix),
		}, nil
	})
}

// byMethod picks the amounts of a prefix. A method other than the usual two shows only when
// there is money under it.
func byMethod(total map[string]int64, prefix string) map[string]int64 {
	amounts := map[string]int64{string(order.MethodCard): 0, string(order.MethodCash): 0}
	for field, amount := range total {
		if method, ok := strings.CutPrefix(field, prefix); ok && amount != 0 {
			amounts[method] = amount
		}
	}
	return amounts
}
