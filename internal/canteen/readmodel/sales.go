package readmodel

import (
	"strings"

	"gakushoku/internal/canteen/order"
)

// Sales are the sales of a business day (Asia/Tokyo). Money is in yen. A payment counts on the day it was
// made, a refund on the day it was given.
type Sales struct {
	Day       string           `json:"day"`
	Orders    int64            `json:"orders"`
	Paid      int64            `json:"paid"`
	Cancelled int64            `json:"cancelled"`
	Rejected  int64            `json:"rejected"`
	Refunded  int64            `json:"refunded"`
	Revenue   map[string]int64 `json:"revenue"` // by payment method; always includes CARD and CASH
	Refunds   map[string]int64 `json:"refunds"` // by payment method; always includes CARD and CASH
}

// SalesOf returns the sales of a day from its total. They are zero for a day without orders.
func SalesOf(day string, total map[string]int64) Sales {
	return Sales{
		Day: day, Orders: total[FieldOrders], Paid: total[FieldPaid], Cancelled: total[FieldCancelled], Rejected: total[FieldRejected], Refunded: total[FieldRefunded],
		Revenue: byMethod(total, FieldRevenuePrefix), Refunds: byMethod(total, FieldRefundsPrefix),
	}
}

// byMethod returns the amounts with a prefix by payment method. A method other than the usual two is only
// included if it has an amount.
func byMethod(total map[string]int64, prefix string) map[string]int64 {
	amounts := map[string]int64{string(order.MethodCard): 0, string(order.MethodCash): 0}
	for field, amount := range total {
		if method, ok := strings.CutPrefix(field, prefix); ok && amount != 0 {
			amounts[method] = amount
		}
	}
	return amounts
}
