package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gakushoku/internal/fault/wait"
)

// live is the stream of server-sent events of a page. The id of each is a number of the log, so that a page that
// comes back is told what it has missed.
func (s *Console) live(w http.ResponseWriter, r *http.Request) {
	topic := r.URL.Query().Get("topic")
	if topic != topicMenu && !s.mayFollow(r, topic) {
		http.Error(w, "no such page", http.StatusNotFound)
		return
	}
	at := r.Header.Get("Last-Event-ID")
	if at == "" {
		at = r.URL.Query().Get("at")
	}
	number, err := strconv.ParseUint(at, 10, 64)
	if err != nil {
		http.Error(w, "at must be a number", http.StatusBadRequest)
		return
	}
	page, leave := s.hub.join(topic, number)
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	s.stream(w, r, topic, page)
}

// mayFollow reports whether the caller may see what a topic is about.
func (s *Console) mayFollow(r *http.Request, topic string) bool {
	switch id, one := strings.CutPrefix(topic, topicOrder); {
	case one && id != "":
		return s.call(r, http.MethodGet, orderResource(id), nil).ok()
	case topic == topicOrders:
		return s.call(r, http.MethodGet, "/orders?limit=1", nil).ok()
	}
	return false
}

// stream sends changes until the client goes away or the server stops.
func (s *Console) stream(w http.ResponseWriter, r *http.Request, topic string, page <-chan change) {
	out := &sender{w: w, control: http.NewResponseController(w)}
	out.send("retry: 1000\n\n")
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for out.err == nil {
		select {
		case <-r.Context().Done():
			return
		case <-s.hub.ended:
			return
		case <-alive.C:
			out.send(": still here\n\n")
		case c := <-page:
			out.change(c)
			if !strings.HasPrefix(topic, topicOrder) && wait.For(r.Context(), settle) == nil {
				out.change(c) // lists are behind by moments
			}
		}
	}
}

// sender writes events with a time limit for each: the limit of a whole response is not for streams.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (o *sender) change(c change) {
	o.send(fmt.Sprintf("id: %d\nevent: change\ndata: {\"version\":%d}\n\n", c.number, c.version))
}

func (o *sender) send(text string) {
	if o.err != nil {
		return
	}
	if o.err = o.control.SetWriteDeadline(time.Now().Add(sendLimit)); o.err != nil {
		return
	}
	if _, o.err = o.w.Write([]byte(text)); o.err == nil {
		o.err = o.control.Flush()
	}
}
