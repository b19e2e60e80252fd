package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// aggregate is what the commands of one kind of aggregate have in common.
type aggregate[S any, C model.Command] struct {
	rules model.Decider[S, C]
	path  []param                           // the parameters that its paths may have
	id    func(*http.Request) string        // of the aggregate that a request names; "" if it names none
	tell  func(r *command.Result[S]) any    // returns the body of the response
	where func(r *command.Result[S]) string // returns the path of a new aggregate

	due func(r *command.Result[S]) bool // whether Config.After has anything to do; nil: always
	// settled finds what has become of what the command asked for, after Config.After, which has put the stream as it
	// is now into the result's History. It moves the result on, or returns a refusal, or another status than usual
	// (0: the usual one). It may be nil.
	settled func(c *call, r *command.Result[S]) (status int, err error)
}

// sent is the body of a command.
type sent[B any] struct {
	shape shape[B]
	must  bool // whether it is required
}

func must[B any](s shape[B]) sent[B] { return sent[B]{s, true} }
func may[B any](s shape[B]) sent[B]  { return sent[B]{s, false} }

// execute returns the route of a command of type B, which is one of the aggregate's commands. Its body becomes
// the command, and fill adds what comes from elsewhere in the request; fill may be nil.
func execute[S any, C model.Command, B any](a aggregate[S, C], o operation, s sent[B], fill func(*call, *B)) route {
	if _, ok := any(*new(B)).(C); !ok {
		panic(fmt.Sprintf("%s: %T is no command of its aggregate", o.id, *new(B)))
	}
	in := o.with(a.path, idempotencyKey)
	in.body, in.must = s.shape, s.must
	return route{o, PartCommands, in, func(c *call) error {
		body, _ := c.body.(B)
		if fill != nil {
			fill(c, &body)
		}
		return a.execute(c, any(body).(C))
	}}
}

func (a aggregate[S, C]) execute(c *call, sent C) error {
	ctx, s := c.Context(), c.server
	r := command.Request[C]{ID: a.id(c.Request), Command: sent, Key: c.Header.Get(headerIdempotencyKey), Owner: c.owner}
	if s.Complete != nil {
		r.Complete = func(ctx context.Context, sent C) (C, error) {
			whole, err := s.Complete(ctx, sent)
			if err != nil {
				return sent, err
			}
			return whole.(C), nil
		}
	}
	result, err := command.Execute(ctx, s.Commands, a.rules, r)
	if err == nil && s.After != nil && len(result.Events) > 0 && (a.due == nil || a.due(&result)) {
		result.History, err = s.After(ctx, result.Events[0].Stream, result.History)
	}
	if err != nil {
		return err
	}
	status := http.StatusOK
	if n := len(result.Events); n > 0 && result.Version == uint64(n) {
		status = http.StatusCreated
		c.w.Header().Set("Location", a.where(&result))
	}
	if a.settled != nil {
		other, err := a.settled(c, &result)
		if err != nil {
			return err
		}
		status = cmp.Or(other, status)
	}
	return a.respond(c.w, status, &result)
}

// respond responds with the result of a command.
func (a aggregate[S, C]) respond(w http.ResponseWriter, status int, r *command.Result[S]) error {
	if r.Repeated {
		w.Header().Set(headerReplayed, "true")
	}
	w.Header().Set("ETag", etag(r.Version))
	return respond(w, status, a.tell(r))
}

// at returns a path with an id as its last segment.
func at(path, id string) string { return path + url.PathEscape(id) }

func idsOf(events []event.Event) []string {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	return ids
}
