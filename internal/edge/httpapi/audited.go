package httpapi

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// audited tells the handler of a command where its request came from, and records the command if it is
// refused, whatever refuses it. handle also returns the request with its caller, if it knows who that is.
func (s *server) audited(r route, handle func(http.ResponseWriter, *http.Request) (*http.Request, error)) func(http.ResponseWriter, *http.Request) error {
	if r.part != PartCommands {
		return func(w http.ResponseWriter, req *http.Request) error {
			_, err := handle(w, req)
			return err
		}
	}
	name := strings.ToUpper(r.id[:1]) + r.id[1:]
	return func(w http.ResponseWriter, req *http.Request) error {
		origin := observe.OriginOf(req.Context())
		origin.Route, origin.Address, origin.Program = r.method+" "+r.path, addressOf(req), req.UserAgent()
		req = req.WithContext(observe.WithOrigin(req.Context(), origin))
		req, err := handle(w, req)
		if err != nil && s.Refused != nil && fault.ClassOf(err) == fault.Domain {
			ctx, cancel := carriedOut(req.Context())
			defer cancel()
			s.Refused(ctx, audit.Refusal{Command: name, On: clip(req.URL.Path), Code: refusalCode(err)})
		}
		return err
	}
}

// addressOf returns the address of who sent a request, as the server or API Gateway sees it. Headers that
// name another one are not trusted.
func addressOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// refusalCode returns the code of a refusal.
func refusalCode(err error) string {
	var refusal fault.DomainError
	if errors.As(err, &refusal) {
		return refusal.DomainCode()
	}
	return ""
}
