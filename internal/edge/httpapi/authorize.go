package httpapi

import (
	"net/http"

	"gakushoku/internal/edge/identity"
	"gakushoku/internal/observe"
)

// authorize identifies the caller of a request and refuses those who may not use a route. It returns the request
// with its caller, and whose aggregates the caller is restricted to; "" for everybody's. A route without scopes
// is for everybody, whatever credentials come with the request.
func (s *server) authorize(to route, r *http.Request) (_ *http.Request, owner string, err error) {
	if len(to.scopes) == 0 {
		_, err := s.limit(to, observe.Caller{}, r)
		return r, "", err
	}
	caller, err := s.identify(r)
	if first, limited := s.limit(to, caller, r); limited != nil {
		if first { // with its caller, it is recorded
			r = r.WithContext(observe.WithCaller(r.Context(), caller))
		}
		return r, "", limited
	}
	if err != nil {
		return r, "", err
	}
	need := identity.Need(to.scopes)
	switch own := need.OnlyOwn(caller); {
	case !need.Met(caller) && caller.Role != "":
		return r.WithContext(observe.WithCaller(r.Context(), caller)), "", identity.MissingScope(caller.Role, need)
	case !need.Met(caller), own && caller.Name == "":
		return r, "", identity.NoCredentials(need)
	case own:
		owner = caller.Name
	}
	return r.WithContext(observe.WithCaller(r.Context(), caller)), owner, nil
}

func (s *server) identify(r *http.Request) (observe.Caller, error) {
	if s.Identify == nil {
		return observe.Caller{Scopes: observe.EveryScope}, nil
	}
	return s.Identify(r)
}

// limit refuses a request of a caller who sends too many. Health is not limited: load balancers ask for it.
// first says that the refusal is the first for a while.
func (s *server) limit(to route, caller observe.Caller, r *http.Request) (first bool, err error) {
	if s.Limiter == nil || to.part == PartHealth {
		return false, nil
	}
	wait, first := s.Limiter.Wait(caller, r)
	if wait > 0 {
		err = identity.Throttled(wait)
	}
	return first, err
}

// Restrict returns a handler that serves only callers who have a scope, for what is not in the contract.
func Restrict(c Config, scope string, next http.Handler) http.Handler {
	s := &server{Config: c}
	to := route{operation: operation{scopes: []string{scope}}}
	return s.answering(func(w http.ResponseWriter, r *http.Request) error {
		r, _, err := s.authorize(to, r)
		if err == nil {
			next.ServeHTTP(w, r)
		}
		return err
	})
}

// Operation is what the contract says about who may use an operation.
type Operation struct {
	ID, Method, Path string
	Needs            identity.Need // none: it is for everybody
}

// Operations returns all operations of the interface.
func Operations() []Operation {
	var all []Operation
	for _, r := range routes() {
		all = append(all, Operation{r.id, r.method, r.path, r.scopes})
	}
	return all
}
