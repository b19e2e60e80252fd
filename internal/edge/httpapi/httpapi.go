// Package httpapi is the entrance of the system: it turns HTTP requests into commands and
// queries and what comes of them into responses, in the same way behind API Gateway and in
// the embedded server. The contract is infra/openapi.yaml: a request that does not keep to
// it reaches no handler, and nothing that is not meant for clients leaves in a response.
package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
)

// Parts says which routes are served: a Lambda function serves one part, the embedded server
// all.
type Parts uint

// The parts of the interface. The document /openapi.json is part of PartHealth: both tell
// about the service itself.
const (
	PartCommands Parts = 1 << iota
	PartQueries
	PartHealth
	AllParts = PartCommands | PartQueries | PartHealth
)

// Config is what the entrance stands on.
type Config struct {
	Parts    Parts // 0 is AllParts
	Commands *command.Handler
	Queries  *query.Service
	Health   *health.Checker
	Logger   zerolog.Logger // of the process; a logger that a request's context brings is preferred
	// Details reports whether a request may see what health found in each part; nil is never.
	Details func(*http.Request) bool
	// Identify says who asks, or ErrWrongKey. Without it, it is who the request's context says.
	Identify func(*http.Request) (observe.Caller, error)
	Now      func() time.Time // nil is time.Now
	Metrics  *observe.Metrics // measures requests and what they do; nil is nothing
	Tracer   trace.Tracer     // records operations, unless a request's context brings one; nil is nobody
}

// server is Config with what is made of it once.
type server struct {
	Config
	mux *http.ServeMux
}

// New returns the handler of the parts that c names. It fails when a part lacks what it needs.
func New(c Config) (http.Handler, error) {
	if c.Parts == 0 {
		c.Parts = AllParts
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for _, missing := range []struct {
		part Parts
		is   bool
		what string
	}{
		{PartCommands, c.Commands == nil, "Commands"},
		{PartQueries, c.Queries == nil, "Queries"},
		{PartHealth, c.Health == nil, "Health"},
	} {
		if c.Parts&missing.part != 0 && missing.is {
			return nil, fmt.Errorf("the HTTP interface needs %s for the parts it is to serve", missing.what)
		}
	}
	s := &server{Config: c, mux: http.NewServeMux()}
	for _, r := range s.routes() {
		if r.part&c.Parts != 0 {
			s.mux.Handle(r.method+" "+r.path, s.checked(r))
		}
	}
	s.mux.Handle("/", s.answering(s.noRoute))
	return s.entrance(s.dispatch()), nil
}

// dispatch keeps the mux from redirecting: a client that writes //orders has made a mistake
// that it should see, and a redirect of a command is not followed by most.
func (s *server) dispatch() http.Handler {
	notFound := s.answering(s.noRoute)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if escaped := r.URL.EscapedPath(); !clean(escaped) {
			notFound.ServeHTTP(w, r)
			return
		}
		s.mux.ServeHTTP(w, r)
	})
}

func clean(p string) bool {
	if !strings.HasPrefix(p, "/") {
		return false
	}
	cleaned := path.Clean(p)
	return p == cleaned || p == cleaned+"/"
}

// answering makes a handler that may fail into one that answers with a problem when it does.
func (s *server) answering(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			writeError(w, r, err)
		}
	})
}

// checked returns the handler of a route, which only gets requests that match the route's input.
func (s *server) checked(r route) http.Handler {
	return s.answering(func(w http.ResponseWriter, req *http.Request) error {
		if err := r.input.check(w, req); err != nil {
			return err
		}
		ctx, cancel := carriedOut(req.Context())
		defer cancel()
		return r.handle(w, req.WithContext(ctx))
	})
}

// handleLimit bounds what no deadline of its request does.
const handleLimit = 30 * time.Second

// carriedOut is the context of a request that was read, which goes on when its client seems to have
// left. Half a command is of no use to anyone, and the client finds the whole one when it comes back
// with its key. A client that only says that it sends no more, by closing its side of the connection,
// looks the same as one that has left, and waits for its response.
func carriedOut(ctx context.Context) (context.Context, context.CancelFunc) {
	whole := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(whole, deadline)
	}
	return context.WithTimeout(whole, handleLimit)
}

// noRoute answers for a path that is not there, or not for this method.
func (s *server) noRoute(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	if clean(r.URL.EscapedPath()) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			other := *r
			other.Method = method
			if _, pattern := s.mux.Handler(&other); pattern != "" && pattern != "/" {
				allowed = append(allowed, method)
			}
		}
	}
	if len(allowed) == 0 {
		return &requestError{code: codeNoRoute, detail: "there is nothing at this path: see /openapi.json"}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &requestError{code: codeMethod, detail: "this path takes " + strings.Join(allowed, ", ")}
}
