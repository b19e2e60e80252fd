package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"gakushoku/internal/engine/query"
	"gakushoku/internal/engine/replica"
	"gakushoku/internal/fault/wait"
)

// Following is what an installation that follows another one tells its readers.
type Following struct {
	Behind  time.Duration // how old what it serves may be
	Primary string        // URL of the installation that takes commands; "" if it is not known
}

// The headers of every response of an installation that follows another one.
const (
	headerBehind  = "X-Replica-Behind-Ms"
	headerPrimary = "X-Primary"
)

// codeNotPrimary is the code of commands, and of queries for what is newer, that another installation has to serve.
const codeNotPrimary = "service/not-primary"

func (s *server) following() (Following, bool) {
	if s.Follows == nil {
		return Following{}, false
	}
	return s.Follows()
}

func (s *server) tellFollowing(h http.Header) {
	f, follows := s.following()
	if !follows {
		return
	}
	h.Set(headerBehind, strconv.FormatInt(f.Behind.Milliseconds(), 10))
	if f.Primary != "" {
		h.Set(headerPrimary, f.Primary)
	}
}

// How long a reader waits for what the primary has told it about, and how often that is looked for.
const (
	reachLimit = 2 * time.Second
	reachPause = 50 * time.Millisecond
)

// get returns a row at the version that the client asks for. An installation that follows another one may have
// that soon.
func (s *server) get(c *call, p resource) (query.Row, error) {
	version := oldest(c)
	for deadline := s.Now().Add(reachLimit); ; {
		row, err := s.of(p).Get(c.Context(), p.id(c.Request), version)
		f, follows := s.following()
		if version == 0 || !follows || !p.notYet(err) {
			return row, err
		}
		if s.Now().After(deadline) {
			return row, &replica.NotPrimary{Why: errBehind, Primary: f.Primary}
		}
		if err := wait.For(c.Context(), reachPause); err != nil {
			return row, err
		}
	}
}

// errBehind is why a standby refuses a query.
var errBehind = errors.New("this is a standby, which has not reached the requested version yet: ask again, or ask the primary")

// notYet reports whether a query was refused for what may still come.
func (p resource) notYet(err error) bool {
	var refused *query.Error
	return errors.As(err, &refused) && refused.Code == p.view.NotReached || err != nil && errors.Is(err, p.view.NotFound)
}
