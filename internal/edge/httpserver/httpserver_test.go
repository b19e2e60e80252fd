package httpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/edge/httpserver"
)

// serve runs a server until the test ends.
func serve(t *testing.T, limits httpserver.Limits, handler http.HandlerFunc) (s *httpserver.Server, addr string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = httpserver.New(l, httpserver.Options{Handler: handler, Limits: limits, Logger: zerolog.Nop(), Refuse: func(status int, reason string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 %d Refused\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(reason), reason)
	}})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Stop(ctx) //nolint:errcheck // what is open is cut off
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{c.(*net.TCPConn), bufio.NewReader(c)}
}

type client struct {
	*net.TCPConn
	answers *bufio.Reader
}

// get sends a request and reads the response.
func (c *client) get(t *testing.T, path string) (response *http.Response, body string) {
	t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(raw)
}

// ends waits until the server has closed the connection.
func (c *client) ends(t *testing.T) string {
	t.Helper()
	rest, err := io.ReadAll(c.answers)
	if err != nil {
		t.Error(err)
	}
	return string(rest)
}

func TestRequestsThatNoHandlerSeesAreRefused(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, httpserver.Limits{}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "handled") })
	const good = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tc := range map[string]struct{ request, want string }{
		"a bad escape":                {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		"no host":                     {"GET / HTTP/1.1\r\n\r\n", "400 missing required Host header"},
		"two hosts":                   {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
		"a host that is none":         {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 malformed Host header"},
		"a header name that is none":  {"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", "400 invalid header name"},
		"a header value that is none": {"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", "400"},
		"no request line":             {"hello\r\n\r\n", "400"},
		"TLS":                         {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		"a length that is none":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", "400"},
		"another version":             {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505 unsupported protocol version"},
		"another transfer encoding":   {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
		"another expectation":         {"POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 2\r\n\r\n{}", "417"},
		"headers too large":           {"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "431"},
		"after one that is handled":   {good + "GET / HTTP/1.1\r\n\r\n", "200 handled 400 missing required Host header"},
		"all of the server":           {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200 handled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, addr)
			if _, err := io.WriteString(c, tc.request); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for {
				response, err := http.ReadResponse(c.answers, nil)
				if errors.Is(err, io.ErrUnexpectedEOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode >= 400 && !strings.HasSuffix(response.Status, " Refused") {
					t.Errorf("net/http answers by itself: %s", response.Status)
				}
				got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s", response.StatusCode, body)))
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("%q, want %q", text, tc.want)
			}
		})
	}
}

func TestABodyThatLooksLikeARefusalStaysAsItIs(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("HTTP/1.1 400 Bad Request\r\n\r\n400 Bad Request: x", 1000)
	_, addr := serve(t, httpserver.Limits{}, func(w http.ResponseWriter, _ *http.Request) {
		for i := range len(body) {
			io.WriteString(w, body[i:i+1]) //nolint:errcheck // the client reads it all
			if body[i] == '\n' {
				http.NewResponseController(w).Flush() //nolint:errcheck // likewise
			}
		}
	})
	if _, got := dial(t, addr).get(t, "/"); got != body {
		t.Errorf("%d bytes of %d came, or others", len(got), len(body))
	}
}

func TestAnIdleConnectionMakesRoom(t *testing.T) {
	t.Parallel()
	s, addr := serve(t, httpserver.Limits{Connections: 2}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	oldest, other := dial(t, addr), dial(t, addr)
	oldest.get(t, "/")
	other.get(t, "/")
	response, _ := dial(t, addr).get(t, "/")
	if !response.Close {
		t.Error("a full server keeps the connection")
	}
	oldest.ends(t)
	if n := s.Connections(); n > 2 {
		t.Errorf("%d connections are open", n)
	}
}

func TestBusyConnectionsAreNotCutOffToMakeRoom(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}), make(chan struct{})
	_, addr := serve(t, httpserver.Limits{Connections: 1}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(began)
			<-end
		}
		io.WriteString(w, "ok")
	})
	slow := make(chan string, 1)
	busy := dial(t, addr)
	go func() {
		_, body := busy.get(t, "/slow")
		slow <- body
	}()
	<-began
	next := make(chan string, 1)
	waiting := dial(t, addr)
	go func() {
		_, body := waiting.get(t, "/")
		next <- body
	}()
	close(end)
	if got := <-slow + <-next; got != "okok" {
		t.Errorf("%q", got)
	}
}

// Each server has one limit that is short, so that none ends what should not end.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	const soon = 20 * time.Millisecond
	written := make(chan error, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		for r.URL.Path == "/endless" {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				written <- err
				return
			}
		}
		io.Copy(io.Discard, r.Body) //nolint:errcheck // a handler that does not look
	}
	for name, tc := range map[string]struct {
		limits httpserver.Limits
		sent   string
	}{
		"one that sends nothing":        {httpserver.Limits{ReadHeader: soon}, ""},
		"one that sends half a header":  {httpserver.Limits{ReadHeader: soon}, "GET / HTT"},
		"one that sends half a body":    {httpserver.Limits{Read: soon}, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"},
		"one that sends no more":        {httpserver.Limits{Idle: soon}, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		"one that sends the next badly": {httpserver.Limits{Idle: soon}, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, addr := serve(t, tc.limits, handler)
			c := dial(t, addr)
			io.WriteString(c, tc.sent) //nolint:errcheck // the server may close
			c.ends(t)
		})
	}
	_, addr := serve(t, httpserver.Limits{Write: soon}, handler)
	io.WriteString(dial(t, addr), "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n") //nolint:errcheck // the server answers
	if err := <-written; err == nil {
		t.Error("a response that nobody reads has no end")
	}
}
