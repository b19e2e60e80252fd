package httpserver

import (
	"container/list"
	"net"
	"net/http"
	"sync"

	"github.com/rs/zerolog"
)

// limited is a listener with a limit on open connections. At the limit it closes the connection that has
// been idle the longest; if none is idle, the next client waits.
type limited struct {
	net.Listener
	refuse func(status int, reason string) []byte
	logger zerolog.Logger
	slots  chan struct{}
	ended  chan struct{}
	close  sync.Once

	mu     sync.Mutex
	idle   list.List // of *conn, the longest idle first
	places map[*conn]*list.Element
	told   bool // whether the lack of room was logged
	// waiting means that a client waits for room: the next connection to become idle is closed.
	waiting bool
}

func newLimited(l net.Listener, o Options) *limited {
	return &limited{
		Listener: l, refuse: o.Refuse, logger: o.Logger, slots: make(chan struct{}, o.Limits.Connections), ended: make(chan struct{}), places: map[*conn]*list.Element{},
	}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.take() {
		accepted.Close() //nolint:errcheck // it is unused
		return nil, net.ErrClosed
	}
	return &conn{Conn: accepted, refuse: l.refuse, freed: l.free}, nil
}

// take waits for room; it returns false if the listener is closed.
func (l *limited) take() bool {
	select {
	case l.slots <- struct{}{}:
		return true
	default:
		l.makeRoom()
	}
	select {
	case l.slots <- struct{}{}:
		l.mu.Lock()
		l.waiting = false
		l.mu.Unlock()
		return true
	case <-l.ended:
		return false
	}
}

// makeRoom closes the connection that has been idle the longest.
func (l *limited) makeRoom() {
	l.mu.Lock()
	var longest *conn
	if front := l.idle.Front(); front != nil {
		longest = front.Value.(*conn)
	}
	first := !l.told
	l.told, l.waiting = true, true
	l.mu.Unlock()
	if first {
		l.logger.Warn().Int("connections", cap(l.slots)).Msg("server:connections-full")
	}
	if longest != nil {
		longest.Close() //nolint:errcheck // it is idle
	}
}

// free returns the room of a connection.
func (l *limited) free(c *conn) {
	l.mu.Lock()
	l.leave(c)
	if len(l.slots) <= cap(l.slots)/2 {
		l.told = false
	}
	l.mu.Unlock()
	<-l.slots
}

func (l *limited) leave(c *conn) {
	if place, ok := l.places[c]; ok {
		l.idle.Remove(place)
		delete(l.places, c)
	}
}

// changed is the callback for http.Server.ConnState.
func (l *limited) changed(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	if l.move(c, state == http.StateIdle) {
		c.Close() //nolint:errcheck // it is idle
	}
}

// move records whether a connection is idle, and reports whether it must be closed to make room.
func (l *limited) move(c *conn, idle bool) (makeRoom bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave(c)
	if !idle {
		return false
	}
	c.handled.Store(false)
	l.places[c] = l.idle.PushBack(c)
	return l.waiting
}

// open returns the number of open connections.
func (l *limited) open() int64 {
	return int64(len(l.slots))
}

// crowded reports whether there is no room for another connection.
func (l *limited) crowded() bool { return len(l.slots) == cap(l.slots) }

// Close implements net.Listener.
func (l *limited) Close() error {
	l.close.Do(func() { close(l.ended) })
	return l.Listener.Close()
}
