package readmodel

import (
	"strings"

	"gakushoku/internal/canteen/order"
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

// SalesOf makes the sales of a day of its total; all zero for a day without orders.
func SalesOf(day string, total map[string]int64) Sales {
	return Sales{
		Day: day, Orders: total[FieldOrders], Paid: total[FieldPaid], Cancelled: total[FieldCancelled], Refunded: total[FieldRefunded],
		Revenue: byMethod(total, FieldRevenuePrefix), Refunds: byMethod(total, FieldRefundsPrefix),
	}
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
