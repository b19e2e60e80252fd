// Package httpserver runs an HTTP server that withstands slow, broken and countless clients, and that stops
// without breaking a connection. Everything has a time limit, the number of connections is bounded, and
// requests that net/http itself refuses get responses like all others.
package httpserver

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Limits bound the resources that clients may use. A zero value is replaced by that of DefaultLimits.
type Limits struct {
	Connections int           // open at the same time
	ReadHeader  time.Duration // from the first byte of a request to the end of its header
	Read        time.Duration // to the end of its body
	Write       time.Duration // from the end of the header to the end of the response; more than Read
	Idle        time.Duration // between two requests
	HeaderBytes int
}

// DefaultLimits returns limits for the canteen, whose largest request is 64 KiB and largest response 256 KiB.
func DefaultLimits() Limits {
	return Limits{
		Connections: 512, ReadHeader: 5 * time.Second, Read: 20 * time.Second, Write: 40 * time.Second, Idle: 2 * time.Minute, HeaderBytes: 64 << 10,
	}
}

// Options configure a server.
type Options struct {
	Handler http.Handler
	// Refuse returns the whole response to a request that net/http refuses before a handler sees it.
	// status and reason are those of net/http.
	Refuse func(status int, reason string) []byte
	Limits Limits
	Logger zerolog.Logger
}

// Server serves one listener. It is safe for concurrent use.
type Server struct {
	options  Options
	listener *limited
	http     *http.Server
	retired  atomic.Bool
	handling sync.WaitGroup
}

// New returns a server on a listener, which it takes over.
func New(l net.Listener, o Options) *Server {
	o.Limits = o.Limits.orDefault()
	s := &Server{options: o, listener: newLimited(l, o)}
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.handle), DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: o.Limits.ReadHeader, ReadTimeout: o.Limits.Read, WriteTimeout: o.Limits.Write, IdleTimeout: o.Limits.Idle, MaxHeaderBytes: o.Limits.HeaderBytes,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ConnState:   s.listener.changed,
		ErrorLog:    log.New(complaints{o.Logger}, "", 0),
	}
	return s
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, v := range []struct{ value, unsaid *time.Duration }{{&l.ReadHeader, &d.ReadHeader}, {&l.Read, &d.Read}, {&l.Write, &d.Write}, {&l.Idle, &d.Idle}} {
		if *v.value <= 0 {
			*v.value = *v.unsaid
		}
	}
	if l.Connections <= 0 {
		l.Connections = d.Connections
	}
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = d.HeaderBytes
	}
	return l
}

// complaints logs what net/http reports about connections. By default it goes to standard error, which
// may not be read by anyone.
type complaints struct{ logger zerolog.Logger }

// Write implements io.Writer.
func (c complaints) Write(text []byte) (int, error) {
	c.logger.Warn().Bytes("detail", text[:max(0, len(text)-1)]).Msg("server:connection")
	return len(text), nil
}

// URL returns the address of the server.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Connections returns the number of open connections.
func (s *Server) Connections() int64 { return s.listener.open() }

// Serve serves requests until the server stops, and then returns nil.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handle tells the client to close its connection after the response if there are too many connections, or
// if the server is about to stop.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	s.handling.Add(1)
	defer s.handling.Done()
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.handled.Store(true)
	}
	if s.retired.Load() || s.listener.crowded() {
		w.Header().Set("Connection", "close")
	}
	s.options.Handler.ServeHTTP(w, r)
}

// Retire continues to serve, and makes clients close their connections with the next response.
func (s *Server) Retire() { s.retired.Store(true) }

// Stop accepts no more requests and waits for those under way, for as long as ctx allows. An error means
// that some were cut off.
func (s *Server) Stop(ctx context.Context) error {
	s.Retire()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	return err
}

// Wait waits, for as long as ctx allows, for handlers whose connections were cut off: they use what will be
// closed next.
func (s *Server) Wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.handling.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
