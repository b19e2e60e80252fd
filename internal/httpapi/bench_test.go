package httpapi

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

// BenchmarkPlaceOrder is what the entrance costs, logging included, without a network and
// with a store that costs nothing.
func BenchmarkPlaceOrder(b *testing.B) {
	c := newCanteen(b, func(c *Config) { c.Logger = observe.NewLogger(io.Discard, zerolog.InfoLevel, "bench") })
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest("POST", "/orders", strings.NewReader(fmt.Sprintf(`{"orderId":"o%d","total":780}`, n.Add(1))))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "k")
			w := httptest.NewRecorder()
			if c.handler.ServeHTTP(w, r); w.Code != 201 {
				b.Fatal(w.Body)
			}
		}
	})
}
