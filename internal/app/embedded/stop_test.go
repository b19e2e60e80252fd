package embedded_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
)

// serving is a server in this process.
type serving struct {
	url, ops string
	stop     context.CancelFunc
	ended    chan error
}

func serve(t *testing.T, o embedded.ServeOptions) *serving {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s, ready := &serving{stop: stop, ended: make(chan error, 1)}, make(chan struct{})
	o.Addr, o.OpsAddr, o.Level = "127.0.0.1:0", "127.0.0.1:0", zerolog.InfoLevel
	o.Ready = func(url string, ops embedded.Operators) {
		s.url, s.ops = url, ops.URL
		close(ready)
	}
	go func() { s.ended <- embedded.Serve(ctx, o) }()
	select {
	case <-ready:
	case err := <-s.ended:
		t.Fatal(err)
	}
	return s
}

// status is that of a request on a connection of its own.
func status(t *testing.T, address string) (code int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

// regular is a client that keeps its connection and orders until it is told to close it.
func (a *acknowledged) regular(url, name string) error {
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s-%d", name, i)
		// A body that cannot be sent again, and no key: the client does not try twice by itself.
		request, err := http.NewRequest(http.MethodPost, url+"/orders", io.NopCloser(strings.NewReader(fmt.Sprintf(`{"orderId":%q,"total":1}`, id))))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusCreated {
			return fmt.Errorf("%s: %w", response.Status, err)
		}
		a.mu.Lock()
		a.versions[id] = 1
		a.mu.Unlock()
		if response.Close {
			return nil
		}
	}
}

func TestStopUnderLoadBreaksNoConnection(t *testing.T) {
	t.Parallel()
	dir, hurry := filepath.Join(t.TempDir(), "data"), make(chan struct{})
	s := serve(t, embedded.ServeOptions{Dir: dir, Grace: time.Hour, Hurry: hurry, Drain: time.Hour})
	acks := &acknowledged{versions: map[string]uint64{}}
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			if err := acks.regular(s.url, fmt.Sprintf("c%d", c)); err != nil {
				t.Errorf("client %d: %v", c, err)
			}
		})
	}
	for code := 0; code != http.StatusOK; {
		code, _ = status(t, s.url+"/health/ready")
	}
	s.stop()
	for _, url := range []string{s.url, s.ops} {
		for code, body := 0, ""; code != http.StatusServiceUnavailable || !strings.Contains(body, "the server is stopping"); {
			code, body = status(t, url+"/health/ready")
		}
	}
	clients.Wait()
	close(hurry)
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
	folder, err := embedded.OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	now, err := folder.Status(t.Context())
	if err != nil || now.Head == 0 || now.Applied != now.Head || *now.Projections[0].Rows != len(acks.versions) {
		t.Errorf("%+v %v", now, err)
	}
	if waiting, err := folder.ArchiveFollower().Waiting(t.Context()); err != nil || waiting != 0 {
		t.Errorf("%d events are not in the log: %v", waiting, err)
	}
	checkFolder(t, dir, acks.versions)
}

// A client that never ends its request does not keep the server from stopping, nor do outputs without a reader.
func TestServerStopsDespiteSlowClients(t *testing.T) {
	t.Parallel()
	blocked := blocking(t.Context().Done())
	s := serve(t, embedded.ServeOptions{Dir: filepath.Join(t.TempDir(), "data"), Log: blocked, Out: blocked})
	for i := range 20 {
		response, err := http.Post(s.url+"/orders", "application/json", strings.NewReader(fmt.Sprintf(`{"orderId":"o%d","total":1}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Fatal(response.Status)
		}
	}
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}

// blocking is a pipe without a reader.
type blocking <-chan struct{}

func (b blocking) Write(p []byte) (int, error) {
	<-b
	return len(p), nil
}

func TestMetricsAndDetailsAreForOperatorsOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, embedded.ServeOptions{Dir: filepath.Join(t.TempDir(), "data")})
	defer func() { s.stop(); <-s.ended }()
	if code, body := status(t, s.ops+"/metrics"); code != http.StatusOK || !strings.Contains(body, `gakushoku_telemetry_lost_total{gakushoku_sink="log-file"} 0`) || !strings.Contains(body, "gakushoku_http_connections ") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := status(t, s.url+"/metrics"); code != http.StatusNotFound {
		t.Errorf("guests see /metrics: %d", code)
	}
	if code, _ := status(t, s.ops+"/orders"); code != http.StatusNotFound {
		t.Errorf("orders are on the operators' address: %d", code)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Forwarded-For", "203.0.113.9")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	outside, err := io.ReadAll(response.Body)
	if err != nil || strings.Contains(string(outside), "detail") || !strings.Contains(string(outside), `{"name":"disk","status":"`) {
		t.Errorf("%s %v", outside, err)
	}
	for _, url := range []string{s.url, s.ops} { // both are reached from this machine only
		if _, body := status(t, url+"/health"); !strings.Contains(body, "requests are taken") {
			t.Errorf("%s", body)
		}
	}
}
