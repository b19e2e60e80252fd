// Package demo shows the main job of the system in a few seconds, on real parts: it runs the
// embedded server in a temporary folder, breaks a read model as a bad deployment would, finds
// the guest's payment by its correlation id, and reprojects. Every step is checked, so that
// the demo fails when the system does.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app"
)

// stopLimit bounds how long the server may take to end.
const stopLimit = 10 * time.Second

// story is one run of the demo: the server, and what the steps hand to one another.
type story struct {
	out    *screen
	dir    string
	client *client

	orders        []string // the ids of the orders, in the order they were placed
	victim        string   // the order that was paid but is shown as unpaid
	correlationID string   // of the victim's payment
}

// Run tells the story to w. It returns nil only when every step did what it should.
func Run(ctx context.Context, w io.Writer, colour bool) (err error) {
	dir, err := os.MkdirTemp("", "gakushoku-demo-")
	if err != nil {
		return fmt.Errorf("making the demo's folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &story{out: &screen{w: w, colour: colour}, dir: dir}
	started := time.Now()
	stop, err := s.serve(ctx)
	if err != nil {
		return err
	}
	err = s.tell(ctx)
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	s.out.end("Done in %.1f s. Try it yourself: gakushoku serve --data ./data", time.Since(started).Seconds())
	return nil
}

// serve starts the real server and returns how to stop it.
func (s *story) serve(ctx context.Context) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	urls := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- app.Serve(ctx, app.ServeOptions{Dir: s.dir, Addr: "127.0.0.1:0", Level: zerolog.DebugLevel, Ready: func(url string) { urls <- url }})
	}()
	select {
	case url := <-urls:
		s.client = newClient(url)
	case err := <-ended:
		cancel()
		return nil, fmt.Errorf("starting the demo's server: %w", err)
	}
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(stopLimit):
			return errors.New("the server did not stop")
		}
	}, nil
}

// tell plays the steps in order and ends with the first that goes wrong.
func (s *story) tell(ctx context.Context) error {
	for i, step := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Lunch: guests place and pay orders over HTTP", s.lunch},
		{"A bad deployment breaks the read model", s.breakReadModel},
		{"A guest: \"I have paid, but the list says unpaid\"", s.complaint},
		{"The operator follows the x-correlation-id from the guest's screen", s.investigate},
		{"The operator reprojects, while the server goes on", s.repair},
		{"The list is right again", s.proof},
	} {
		s.out.step(i+1, step.title)
		if err := step.play(ctx); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
	}
	return nil
}
