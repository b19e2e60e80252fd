package embedded

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"gakushoku/internal/app/callers"
	"gakushoku/internal/edge/httpapi"
	scopes "gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/credential"
)

// keysFresh is how long a revoked device key may still be accepted.
const keysFresh = time.Second

// checkCallers decides whether requests without credentials are served, and refuses to serve everybody on an
// address that others can reach.
func (s *Server) checkCallers(ctx context.Context) error {
	o := s.options.Callers
	if s.closed = !o.Everybody && (o.Provider != nil || len(o.Keys) > 0); s.closed || o.Everybody {
		return nil
	}
	keys, err := credential.Keys{Store: s.folder.Control, Now: time.Now}.List(ctx)
	if err != nil {
		return err
	}
	if s.closed = len(keys) > 0; s.closed {
		return nil
	}
	for _, l := range []net.Listener{s.listener, s.ops} {
		if l != nil && !loopback(l.Addr()) {
			return fmt.Errorf("%s can be reached from other machines, and everybody there could do everything: say whose tokens are accepted with --issuer and --audience, "+
				"or make device keys with `gakushoku keys create`, or serve everybody with --allow-anonymous behind a gate of your own", l.Addr())
		}
	}
	return nil
}

func (s *Server) callers() callers.Options {
	o := s.options.Callers
	o.Everybody, o.Fresh = !s.closed, keysFresh
	if o.Everybody {
		o.PerSecond = 0 // they are one caller
	}
	return o
}

// guarded returns what restricts the metrics to operators, where others than programs on this machine can reach
// them.
func (s *Server) guarded(c httpapi.Config) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if loopback(s.ops.Addr()) {
			return next
		}
		return httpapi.Restrict(c, scopes.ScopeOpsRead, next)
	}
}
