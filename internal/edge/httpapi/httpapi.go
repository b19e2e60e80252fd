// Package httpapi is the HTTP entrance of the system, both behind API Gateway and in the embedded server.
// It turns requests into commands and queries, and their results into responses. The contract is
// infra/openapi.yaml: a request that violates it reaches no handler, and responses contain nothing that is
// not meant for clients.
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

	"gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
)

// Parts selects the routes to serve: a Lambda function serves one part, the embedded server all.
type Parts uint

// The parts of the interface. The document /openapi.json belongs to PartHealth, since both describe the
// service itself.
const (
	PartCommands Parts = 1 << iota
	PartQueries
	PartHealth
	AllParts = PartCommands | PartQueries | PartHealth
)

// Config holds the dependencies and settings of the entrance.
type Config struct {
	Parts    Parts // 0 is AllParts
	Commands *command.Handler
	Queries  *query.Reader
	Health   *health.Checker
	Logger   zerolog.Logger // of the process; a logger in a request's context takes precedence
	// Details reports whether a request may see what health found in each part; nil: never.
	Details func(*http.Request) bool
	// Identify returns who sends a request, as Identify of identity.Authenticator does; nil: everybody may do
	// everything.
	Identify func(*http.Request) (observe.Caller, error)
	Sessions *identity.Sessions // of guests; nil: there are none
	Limiter  *identity.Limiter  // bounds the requests of each caller; nil: nothing does
	// Complete adds to a command what its rules need and clients do not send: see command.Request. May be nil.
	Complete func(context.Context, model.Command) (model.Command, error)
	// After runs when a command has succeeded, also when it is repeated, before the response: for what the
	// command's stream makes due at once. It is given the stream as far as the command has read it, and returns it as
	// it is now; nil is a stream that has to be loaded. Its error is responded instead of the outcome. May be nil.
	After func(ctx context.Context, stream string, known []event.Event) ([]event.Event, error)
	// CardProvider says that card payments go through a payment provider; After then has them captured. Otherwise
	// the terminal at the till takes them.
	CardProvider bool
	// Refused records a refused command of a known caller, before the response. May be nil.
	Refused func(context.Context, audit.Refusal)
	// Follows returns how far this installation is behind the one that it follows, and false if it follows none. May
	// be nil.
	Follows func() (Following, bool)
	Now     func() time.Time // nil is time.Now
	Metrics *observe.Metrics // measures requests and what they do; nil: nothing is measured
	Tracer  trace.Tracer     // records operations, unless a request's context has a tracer; may be nil
}

// server is a Config with what is computed from it once.
type server struct {
	Config
	mux *http.ServeMux
}

// New returns the handler of the parts that c selects. It fails if a part lacks a dependency.
func New(c Config) (http.Handler, error) { return serving(c, routes()) }

func serving(c Config, all []route) (http.Handler, error) {
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
	for _, r := range all {
		if r.part&c.Parts != 0 {
			s.mux.Handle(r.method+" "+r.path, s.checked(r))
		}
	}
	s.mux.Handle("/", s.answering(s.noRoute))
	return s.entrance(s.dispatch()), nil
}

// dispatch prevents redirects by the mux: a client that requests //orders should see its mistake, and most
// clients do not follow a redirect of a command.
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

// answering wraps a handler that may fail: it responds to an error with a problem.
func (s *server) answering(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			writeError(w, r, err)
		}
	})
}

// checked returns the handler of a route, which only receives requests of callers who may send them, and only
// those that match the route's input.
func (s *server) checked(r route) http.Handler {
	return s.answering(s.audited(r, func(w http.ResponseWriter, req *http.Request) (*http.Request, error) {
		req, owner, err := s.authorize(r, req)
		if err != nil {
			return req, err
		}
		query, body, err := r.input.read(w, req)
		if err != nil {
			return req, err
		}
		ctx, cancel := carriedOut(req.Context())
		defer cancel()
		return req, r.handle(&call{req.WithContext(ctx), w, s, owner, query, body})
	}))
}

// handleLimit bounds work that has no deadline from its request.
const handleLimit = 30 * time.Second

// carriedOut returns a context that stays valid when the client of a request, which has been read, seems to
// have left. Half a command is useless, and the client finds the whole one when it repeats the command with
// its key. A client that closes only its sending side looks the same but still waits for its response.
func carriedOut(ctx context.Context) (context.Context, context.CancelFunc) {
	whole := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(whole, deadline)
	}
	return context.WithTimeout(whole, handleLimit)
}

// noRoute responds to a path that does not exist, or not for this method.
func (s *server) noRoute(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	if clean(r.URL.EscapedPath()) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
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
