// Package awsfaulttest puts an unreliable network between an AWS client and its service, for tests: a proxy
// that loses, cuts, delays and replaces responses. The tests check how a client handles that, and whether
// everything adds up afterwards.
package awsfaulttest

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Fault is a failure of one request.
type Fault string

// The faults. Except for Refused, Throttled and Late, the service has carried the request out when the client
// notices the fault; it carries out a Late one after the client has given up.
const (
	None       Fault = ""
	Refused    Fault = "connection reset before the request was read"
	Reset      Fault = "connection reset instead of a response"
	Closed     Fault = "connection closed instead of a response"
	Cut        Fault = "response cut off half-way"
	Headless   Fault = "response cut off after its headers"
	Garbled    Fault = "response that is not what the service writes"
	BadGateway Fault = "502 of a gateway, in HTML"
	Bare503    Fault = "503 without a body"
	Throttled  Fault = "throttled"
	Late       Fault = "connection reset, and the request carried out later"
	Silent     Fault = "no response at all"
)

// Faults are all faults except Silent, which a client only notices by its time limit.
var Faults = []Fault{Refused, Reset, Closed, Cut, Headless, Garbled, BadGateway, Bare503, Throttled, Late}

// lateBy is how many other requests overtake a late one.
const lateBy = 3

// Proxy is the unreliable network in front of Target.
type Proxy struct {
	Target   http.Handler
	Throttle http.HandlerFunc            // the service's response when it throttles
	Plan     func(r *http.Request) Fault // called for every request

	mu   sync.Mutex
	late []*lateRequest
}

type lateRequest struct {
	request *http.Request
	waits   int
}

// inARow is how many requests for the same thing may fail in succession under Seeded, so that a client that
// gives up after three attempts does not do so by chance.
const inARow = 2

// Seeded returns a plan by which a share of the requests, from 0 to 1, meets one of the faults.
func Seeded(seed uint64, share float64, faults ...Fault) func(*http.Request) Fault {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed))
	failed := map[string]int{}
	return func(r *http.Request) Fault {
		mu.Lock()
		defer mu.Unlock()
		thing := r.Method + r.URL.Path + r.Header.Get("X-Amz-Target")
		if random.Float64() >= share || failed[thing] == inARow {
			failed[thing] = 0
			return None
		}
		failed[thing]++
		return faults[random.IntN(len(faults))]
	}
}

// Except returns Faults without the given ones.
func Except(without ...Fault) []Fault {
	return slices.DeleteFunc(slices.Clone(Faults), func(f Fault) bool { return slices.Contains(without, f) })
}

// Serve starts a proxy for a test and returns its address.
func Serve(t *testing.T, p *Proxy) string {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return server.URL
}

// Always returns the plan by which every request meets the fault f.
func Always(f Fault) func(*http.Request) Fault { return func(*http.Request) Fault { return f } }

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := p.Plan(r)
	if fault == Refused {
		hangUp(w, true)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.overtake()
	switch fault {
	case Throttled:
		p.Throttle(w, r)
		return
	case Late:
		p.postpone(r, body)
		hangUp(w, true)
		return
	}
	p.respond(w, r, fault)
}

// respond lets the service carry the request out, and corrupts its response.
func (p *Proxy) respond(w http.ResponseWriter, r *http.Request, fault Fault) {
	response := httptest.NewRecorder()
	p.Target.ServeHTTP(response, r)
	if response.Code == http.StatusNoContent && (fault == Cut || fault == Headless) {
		fault = Closed // there is no body to cut
	}
	switch fault {
	case Reset, Closed:
		hangUp(w, fault == Reset)
	case Silent:
		<-r.Context().Done()
	case Cut:
		cut(w, response, response.Body.Len()/2)
	case Headless:
		cut(w, response, 0)
	case Garbled:
		html(w, http.StatusOK, "welcome to the hotel's network")
	case BadGateway:
		html(w, http.StatusBadGateway, "bad gateway")
	case Bare503:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		write(w, response)
	}
}

// postpone keeps a request for later.
func (p *Proxy) postpone(r *http.Request, body []byte) {
	later := r.Clone(context.WithoutCancel(r.Context()))
	later.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = append(p.late, &lateRequest{later, lateBy})
}

// overtake carries out the late requests that enough others have overtaken.
func (p *Proxy) overtake() {
	p.mu.Lock()
	var due []*lateRequest
	for i := 0; i < len(p.late); {
		if p.late[i].waits--; p.late[i].waits > 0 {
			i++
			continue
		}
		due = append(due, p.late[i])
		p.late = append(p.late[:i], p.late[i+1:]...)
	}
	p.mu.Unlock()
	for _, l := range due {
		p.Target.ServeHTTP(httptest.NewRecorder(), l.request)
	}
}

// html writes the response of something between client and service, such as a gateway.
func html(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	io.WriteString(w, "<html>"+text+"</html>")
}

// write passes a response on unchanged.
func write(w http.ResponseWriter, response *httptest.ResponseRecorder) {
	copyHeader(w, response)
	w.Header().Set("Content-Length", strconv.Itoa(response.Body.Len()))
	w.WriteHeader(response.Code)
	w.Write(response.Body.Bytes())
}

// cut passes on n bytes of a response that announces more, and breaks off.
func cut(w http.ResponseWriter, response *httptest.ResponseRecorder, n int) {
	copyHeader(w, response)
	w.Header().Set("Content-Length", strconv.Itoa(response.Body.Len()+1))
	w.WriteHeader(response.Code)
	w.Write(response.Body.Bytes()[:n])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func copyHeader(w http.ResponseWriter, response *httptest.ResponseRecorder) {
	for name, values := range response.Header() {
		w.Header()[name] = values
	}
}

// hangUp ends the connection, by a reset or in order.
func hangUp(w http.ResponseWriter, reset bool) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok && reset {
		tcp.SetLinger(0)
	}
	connection.Close()
}
