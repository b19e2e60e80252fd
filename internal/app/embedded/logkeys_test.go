package embedded

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
	"gakushoku/internal/observe/observetest"
)

// Orders, one that is refused, one that is parked because it was placed twice, the log and the
// lists beside: whoever reads the lines as JSON reads what the function itself said.
func TestNoLineOfAServerHoldsAKeyTwice(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	f := openFolderAt(t, dir)
	for version, id := range []string{"p1", "p2"} {
		e, err := event.New(order.Placed{OrderID: "twice", Total: 780})
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.OccurredAt, e.CorrelationID = id, event.InstantOf(time.Now()), "cid-"+id
		if err := f.Events.Append(t.Context(), order.Stream("twice"), uint64(version), []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, ServeOptions{Dir: dir, Addr: "127.0.0.1:0", Level: zerolog.DebugLevel, Ready: func(url string, _ Operators) { ready <- url }})
	}()
	var url string
	select {
	case url = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	for _, r := range []struct{ method, path, body string }{
		{http.MethodPost, "/orders", `{"orderId":"o1","total":780}`},
		{http.MethodPost, "/orders/o1/pay", `{"paymentMethod":"CARD"}`},
		{http.MethodPost, "/orders/none/pay", `{"paymentMethod":"CARD"}`},
		{http.MethodGet, "/orders/o1?minVersion=1", ""},
		{http.MethodGet, "/health", ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, url+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("content-type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	wanted := []string{
		`"function":"projector"`, `"function":"archiver"`, `"message":"projection:parked"`, `"message":"projection:apply"`, `"message":"archive:commit"`,
		`"message":"command:success"`, `"message":"command:failed"`, `"message":"query:success"`,
	}
	var lines []byte
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if lines, err = os.ReadFile(LogFile(dir)); err != nil {
			t.Fatal(err)
		}
		missing := ""
		for _, text := range wanted {
			if !bytes.Contains(lines, []byte(text)) {
				missing = text
			}
		}
		if missing == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never came: %s", missing, lines)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	observetest.NoKeyTwice(t, lines)
}
