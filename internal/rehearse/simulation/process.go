package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"gakushoku/internal/fault"
	"gakushoku/internal/rehearse/faultport"
)

// What a port returns instead of doing its work. After a crash every further call of the
// process gets the first, so that its code unwinds, and nothing it still tries has an effect.
var (
	errCrashed  = fault.Unavailable(errors.New("the process has crashed"))
	errRefused  = fault.Unavailable(errors.New("the store refused the call"))
	errNoAnswer = fault.Unavailable(errors.New("the response was lost"))
)

// verdict is the fate of a call at the gate.
type verdict int

const (
	goOn verdict = iota
	refuse
	loseAnswer  // the effect happens
	breakOff    // the effect happens in part
	landLate    // the caller is told of a failure; the effect happens at some later time
	crashBefore // the effect does not happen
	crashAfter
)

func (v verdict) String() string {
	return [...]string{"", " REFUSED", " ANSWER LOST", " BROKEN OFF", " LATE", " CRASH BEFORE", " CRASH AFTER"}[v]
}

// process has its own memory and can crash: an instance of a function, a worker's attempt, an operator's
// command.
type process struct {
	s       *scheduler
	name    string
	id      int
	speed   float64 // its share of turns
	ctx     context.Context
	stop    context.CancelFunc
	dead    bool       // guarded by s.mu
	gone    bool       // the files that it has open are no longer those of the folder: every call fails
	durable bool       // it does not crash by itself
	retired bool       // it gets no further invocation
	busy    bool       // an instance of a function has one invocation at a time
	made    int        // ids
	chance  *rand.Rand // its own, since processes run beside one another; nil where none is needed
}

// newID makes a unique id.
func (p *process) newID() string {
	p.made++
	return fmt.Sprintf("%d-%d", p.id, p.made)
}

// start makes a process. Some are slow and so act on old knowledge.
func (s *scheduler) start(name string) *process {
	ctx, stop := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started++
	p := &process{s: s, name: name, id: s.started, speed: 1, ctx: ctx, stop: stop}
	s.alive = append(s.alive, p)
	return p
}

// run starts f as a part of the process; done is called when it has ended, with errCrashed when
// the process crashed: then the result of f is dropped.
func (p *process) run(f func(ctx context.Context) error, done func(error)) {
	go func() {
		err := f(p.ctx)
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		if p.dead {
			err = errCrashed
		}
		done(err)
	}()
}

// crash ends the process. Calls that wait at the gate are lost on the way.
func (p *process) crash() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.dead {
		return
	}
	p.dead = true
	p.stop()
	p.s.alive = slices.DeleteFunc(p.s.alive, func(o *process) bool { return o == p })
	p.s.waiting = slices.DeleteFunc(p.s.waiting, func(c *call) bool {
		if c.by == p {
			c.verdict <- crashBefore
		}
		return c.by == p
	})
}

// pass waits at the gate and then takes effect.
func (p *process) pass(ctx context.Context, k faultport.Kind, op string, effect func(context.Context) error) error {
	return p.Pass(ctx, faultport.Call{Kind: k, Op: op, Do: effect})
}

// Pass is faultport.Gate.
func (p *process) Pass(ctx context.Context, of faultport.Call) error {
	c := &call{by: p, Call: of, verdict: make(chan verdict, 1)}
	if !p.s.arrive(c) {
		return errCrashed
	}
	// A call under way may take effect although its caller has given up.
	detached := context.WithoutCancel(ctx)
	switch <-c.verdict {
	case refuse:
		return errRefused
	case crashBefore:
		return errCrashed
	case crashAfter:
		of.Do(detached) //nolint:errcheck // the caller has crashed
		return errCrashed
	case loseAnswer:
		of.Do(detached) //nolint:errcheck // the response is lost
		return errNoAnswer
	case breakOff:
		of.Half(detached) //nolint:errcheck // the response is lost
		return errNoAnswer
	case landLate:
		p.s.network(detached, of)
		return errNoAnswer
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return of.Do(ctx)
}

// network carries a call's effect to a later time, after its caller got an error.
func (s *scheduler) network(ctx context.Context, late faultport.Call) {
	p := s.start("network")
	p.durable = true
	p.run(func(context.Context) error { return p.pass(ctx, faultport.Reads, late.Op, late.Do) }, func(error) { s.forget(p) })
}

// forget drops a process that has ended. The caller holds the lock.
func (s *scheduler) forget(p *process) {
	s.alive = slices.DeleteFunc(s.alive, func(o *process) bool { return o == p })
}
