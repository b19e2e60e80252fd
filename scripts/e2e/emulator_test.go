package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// One that was just started is there, and not ready.
func TestAnEmulatorThatStartsIsWaitedFor(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	if err := awaitEmulator(t.Context(), server.URL); err != nil || asked.Load() < 2 {
		t.Errorf("%v after %d looks", err, asked.Load())
	}
}
