package loadgen

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/app/embedded"
)

// stopLimit bounds how long a server may take to end.
const stopLimit = 10 * time.Second

// Server is the embedded server, run in this process.
type Server struct {
	URL, Ops string // of the API; of metrics and health, "" without OpsAddr
	cancel   context.CancelFunc
	ended    chan error
}

// Serve starts a server, whose parts change may replace first; change may be nil.
func Serve(ctx context.Context, o embedded.ServeOptions, change func(*embedded.Server)) (*Server, error) {
	s := &Server{ended: make(chan error, 1)}
	ready := make(chan struct{})
	o.Ready = func(url string, ops embedded.Operators) {
		s.URL, s.Ops = url, ops.URL
		close(ready)
	}
	opened, err := embedded.OpenServer(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	if change != nil {
		change(opened)
	}
	ctx, s.cancel = context.WithCancel(ctx)
	go func() { s.ended <- opened.Run(ctx) }()
	select {
	case <-ready:
		return s, nil
	case err := <-s.ended:
		s.cancel()
		return nil, fmt.Errorf("starting the server: %w", err)
	}
}

// Stop ends the server and returns its error.
func (s *Server) Stop() error {
	s.cancel()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(stopLimit):
		return errors.New("the server did not stop")
	}
}
