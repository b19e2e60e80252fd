// Package demo shows the main job of the system in seconds, on real parts: it runs the embedded
// server in a temporary folder with guests who come and go all the time, breaks a read model as a bad
// deployment would, finds a guest's payment by its correlation id, rebuilds the read model beside the live
// one, switches back and forth between the two, and cleans up. Every step is checked, and so is every
// guest's request: the demo fails when the system does.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/rehearse/loadgen"
)

// story is one run of the demo: the server, and the results that steps pass on.
type story struct {
	out     *screen
	dir     string
	client  *loadgen.Client
	traffic *loadgen.Traffic

	lunch         []string      // the ids of the orders that the bad deployment gets hold of
	victim        string        // the one whose guest complains
	correlationID string        // of the victim's payment
	switched      loadgen.Tally // what the guests had done when readers were switched
}

// Run tells the story to w, in colour and with moving lines when that is a terminal. It returns
// nil only when every step succeeded and no guest's request failed.
func Run(ctx context.Context, w io.Writer, terminal bool) (err error) {
	dir, err := os.MkdirTemp("", "gakushoku-demo-")
	if err != nil {
		return fmt.Errorf("making the demo's folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &story{out: &screen{w: w, terminal: terminal}, dir: dir}
	started := time.Now()
	s.out.title("学食 gakushoku: a read model breaks at lunchtime, and is rebuilt while the canteen is open")
	if err := s.yesterday(ctx); err != nil {
		return err
	}
	server, err := loadgen.Serve(ctx, embedded.ServeOptions{Dir: s.dir, Addr: "127.0.0.1:0", Level: zerolog.DebugLevel}, nil)
	if err != nil {
		return err
	}
	s.client = loadgen.NewClient(server.URL, loadgen.Patience)
	s.traffic = loadgen.NewTraffic(s.client)
	err = s.tell(ctx)
	s.traffic.Close()
	if err = errors.Join(err, server.Stop()); err != nil {
		return err
	}
	s.out.end("Done in %.1f s. Try it yourself: gakushoku serve --data ./data", time.Since(started).Seconds())
	return nil
}

// tell plays the steps in order and stops at the first failure.
func (s *story) tell(ctx context.Context) error {
	for i, step := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Lunchtime: guests order and pay over HTTP", s.lunchtime},
		{"A bad deployment: its fold of orders forgets payments", s.breakReadModel},
		{"A guest at the counter: \"I have paid, but the list says unpaid\"", s.complaint},
		{"The operator follows the x-correlation-id on the guest's screen", s.investigate},
		{"What else is wrong?", s.verify},
		{"The shadow rebuild, beside the live read model", s.rebuild},
		{"The list is right again", s.proof},
		{"The way back is open: nothing is lost by going there", s.rollBack},
		{"The old rows are not needed any more", s.cleanUp},
		{"Closing time: does everything add up?", s.closing},
	} {
		s.out.step(i+1, step.title)
		err := step.play(ctx)
		if err == nil {
			err = s.traffic.Wrong()
		}
		if err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
	}
	return nil
}

// withFolder opens the server's data folder from outside, as the command line does.
func (s *story) withFolder(ctx context.Context, use func(*embedded.Folder) error) error {
	f, err := embedded.OpenFolder(ctx, s.dir)
	if err != nil {
		return err
	}
	return errors.Join(use(f), f.Close())
}

// typed shows the command that does the same as the step.
func (s *story) typed(format string, args ...any) {
	s.out.say("$ gakushoku %s", fmt.Sprintf(format, args...))
}
