package readmodel

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

// AppendJSON is Row.
func (o *Order) AppendJSON(dst []byte) []byte {
	dst = appendString(append(dst, `{"orderId":`...), o.OrderID)
	dst = strconv.AppendInt(append(dst, `,"total":`...), o.Total, 10)
	dst = appendString(append(dst, `,"status":`...), o.Status)
	if o.PaymentMethod != "" {
		dst = appendString(append(dst, `,"paymentMethod":`...), string(o.PaymentMethod))
	}
	if len(o.Lines) > 0 {
		dst = appendLines(append(dst, `,"lines":`...), o.Lines)
	}
	dst = appendInstant(append(dst, `,"placedAt":`...), o.PlacedAt)
	for _, at := range []struct {
		key string
		at  event.Instant
	}{
		{`,"paidAt":`, o.PaidAt}, {`,"preparingAt":`, o.PreparingAt}, {`,"readyAt":`, o.ReadyAt},
		{`,"pickedUpAt":`, o.PickedUpAt}, {`,"cancelledAt":`, o.CancelledAt}, {`,"refundedAt":`, o.RefundedAt},
	} {
		if !at.at.IsZero() {
			dst = appendInstant(append(dst, at.key...), at.at)
		}
	}
	return append(dst, '}')
}

func appendLines(dst []byte, lines []order.Line) []byte {
	before := byte('[')
	for i := range lines {
		dst = appendString(append(append(dst, before), `{"product":`...), lines[i].Product)
		before = ','
		dst = strconv.AppendInt(append(dst, `,"quantity":`...), lines[i].Quantity, 10)
		dst = strconv.AppendInt(append(dst, `,"unitPrice":`...), lines[i].UnitPrice, 10)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendInstant(dst []byte, at event.Instant) []byte {
	return append(at.Append(append(dst, '"')), '"')
}

// appendString writes what is plain by itself, and leaves to encoding/json what it escapes: for
// HTML's sake more than JSON asks for, and rows that are stored have it so.
func appendString(dst []byte, s string) []byte {
	if !plain(s) {
		return appendEscaped(dst, s)
	}
	return append(append(append(dst, '"'), s...), '"')
}

// plain reports whether encoding/json writes s as it is.
func plain(s string) bool {
	for i, r := range s {
		switch r {
		case '"', '\\', '<', '>', '&', '\u2028', '\u2029':
			return false
		case utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
		if r < ' ' {
			return false
		}
	}
	return true
}

func appendEscaped(dst []byte, s string) []byte {
	escaped, _ := json.Marshal(s) // a string always encodes
	return append(dst, escaped...)
}
