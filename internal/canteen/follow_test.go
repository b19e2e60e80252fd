package canteen_test

import (
	"errors"
	"testing"

	"gakushoku/internal/canteen"
	"gakushoku/internal/event"
)

func TestImportedStreamsFollowTheirStateMachine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		types []string
		want  string // "": the last type cannot follow
	}{
		"an order as of old":          {[]string{"OrderPlaced", "OrderPaid", "OrderPreparationStarted", "OrderReady", "OrderPickedUp"}, "PICKED_UP"},
		"an order with a checkout":    {[]string{"OrderPlaced", "OrderReserved", "OrderPaymentRequested", "OrderPaid", "OrderConfirmed", "OrderPreparationStarted"}, "PREPARING CONFIRMED"},
		"an order that was declined":  {[]string{"OrderPlaced", "OrderReserved", "OrderPaymentRequested", "OrderPaymentDeclined", "OrderPaymentVoided", "OrderPaid"}, "PAID CONFIRMING"},
		"an order that was rejected":  {[]string{"OrderPlaced", "OrderRejected", "OrderReleased"}, "REJECTED RELEASED"},
		"paid after it was cancelled": {[]string{"OrderPlaced", "OrderReserved", "OrderPaymentRequested", "OrderCancelled", "OrderPaid", "OrderRefunded", "OrderReleased"}, "CANCELLED RELEASED"},
		"cancelled while reserving":   {[]string{"OrderPlaced", "OrderCancelled", "OrderReleased"}, "CANCELLED RELEASED"},
		"cooked before it is sold":    {[]string{"OrderPlaced", "OrderReserved", "OrderPaid", "OrderPreparationStarted"}, ""},
		"released while it is held":   {[]string{"OrderPlaced", "OrderReserved", "OrderReleased"}, ""},
		"a product":                   {[]string{"ProductSet", "ProductSet", "ProductRemoved", "ProductSet"}, "ON"},
		"removed but never there":     {[]string{"ProductRemoved"}, ""},
		"stock":                       {[]string{"StockReleased", "StockSet", "StockReserved", "StockSold"}, ""},
		"of a kind unknown":           {[]string{"TableLaid"}, ""},
	} {
		status := ""
		var err error
		for _, typ := range c.types {
			if err != nil {
				t.Errorf("%s: before %s: %v", name, typ, err)
			}
			status, err = canteen.Follow(status, typ)
		}
		if name == "stock" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if (err == nil) != (c.want != "") || err == nil && status != c.want {
			t.Errorf("%s: %q, %v; want %q", name, status, err, c.want)
		}
		if name == "of a kind unknown" && !errors.Is(err, event.ErrUnknownType) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
