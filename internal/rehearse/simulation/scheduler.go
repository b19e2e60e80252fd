package simulation

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"gakushoku/internal/rehearse/faultport"
)

// faults are the rates at which calls fail.
type faults struct {
	refuse, loseAnswer, late, crash, half float64
}

// scheduler releases one call at a time. Between two decisions every goroutine of the run stands still: at
// the gate, in a pause, or at its end.
type scheduler struct {
	random  *rand.Rand
	faults  faults
	history *history
	counts  map[string]int // of events, to check that runs reach interesting places

	mu      sync.Mutex
	arrived []*call // since the last decision, in no particular order
	waiting []*call // in an order that depends on the seed alone
	started int     // processes
	alive   []*process
	arrival chan struct{}
}

func newScheduler(seed uint64, keep bool) *scheduler {
	return &scheduler{
		random:  rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)),
		history: newHistory(keep), counts: map[string]int{}, arrival: make(chan struct{}, 1),
	}
}

// decides is the kind of calls that never fail: they are those of Step Functions itself.
const decides = faultport.Administers + 1

// call is one call of a port, waiting for its turn.
type call struct {
	faultport.Call
	by      *process
	verdict chan verdict
}

func (s *scheduler) arrive(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.by.dead {
		return false
	}
	s.arrived = append(s.arrived, c)
	select {
	case s.arrival <- struct{}{}:
	default:
	}
	return true
}

// look waits until every goroutine stands still, then collects the calls at the gate.
func (s *scheduler) look() []*call {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.arrival:
	default:
	}
	slices.SortStableFunc(s.arrived, func(a, b *call) int {
		return cmp.Or(cmp.Compare(a.by.id, b.by.id), cmp.Compare(a.Op, b.Op))
	})
	s.waiting = append(s.waiting, s.arrived...)
	s.arrived = s.arrived[:0]
	s.waiting = slices.DeleteFunc(s.waiting, func(c *call) bool {
		if c.by.dead {
			c.verdict <- crashBefore
		}
		return c.by.dead
	})
	return s.waiting
}

// count counts an effect; effects happen one at a time.
func (s *scheduler) count(what string) { s.counts[what]++ }

// anyProcess returns a random process that may crash.
func (s *scheduler) anyProcess() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.alive) == 0 {
		return nil
	}
	p := s.alive[s.random.IntN(len(s.alive))]
	if p.durable {
		return nil
	}
	return p
}

// turns returns the weight of the calls at the gate against everything else that may happen.
func (s *scheduler) turns() float64 {
	sum := 0.0
	for _, c := range s.waiting {
		sum += c.by.speed
	}
	return sum
}

// release lets one of the waiting calls through the gate.
func (s *scheduler) release() {
	at := s.random.Float64() * s.turns()
	i := 0
	for i < len(s.waiting)-1 && at >= s.waiting[i].by.speed {
		at -= s.waiting[i].by.speed
		i++
	}
	c := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	v := s.judge(c)
	s.history.add(c.by.name, c.Op, v)
	if v == breakOff {
		s.counts["broken off"]++
	}
	if v == crashBefore || v == crashAfter {
		s.counts["crash"]++
		c.by.crash()
	}
	c.verdict <- v
}

// judge decides the fate of a call.
func (s *scheduler) judge(c *call) verdict {
	f, at := &s.faults, s.random.Float64()
	if c.by.gone && c.Kind < decides {
		return refuse
	}
	for _, v := range [...]struct {
		rate     float64
		verdict  verdict
		from, to faultport.Kind // the kinds of calls that it may happen to
	}{
		{f.refuse, refuse, faultport.Reads, faultport.Administers}, {f.crash, crashBefore, faultport.Reads, faultport.Administers},
		{f.crash, crashAfter, faultport.Writes, faultport.Administers}, {f.loseAnswer, loseAnswer, faultport.Writes, faultport.Administers},
		{f.late, landLate, faultport.Writes, faultport.Writes}, {f.half, breakOff, faultport.Reads, faultport.Administers},
	} {
		if at -= v.rate; at < 0 {
			if c.Kind < v.from || c.Kind > v.to || v.verdict == breakOff && c.Half == nil {
				return goOn
			}
			return v.verdict
		}
	}
	return goOn
}

// passTime lets d pass; every pause and deadline within it ends.
func (s *scheduler) passTime(d time.Duration) {
	s.history.add("time", d.String(), goOn)
	s.handOver()
	time.Sleep(d)
}

// handOver is called before time passes, and by goroutines that only time has woken. It tells the race
// detector that these run after what was done before.
func (s *scheduler) handOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// rest lets time pass until a call waits at the gate; false when none came for so long.
func (s *scheduler) rest(limit time.Duration) bool {
	s.handOver()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.arrival:
		return true
	case <-timer.C:
		return false
	}
}

// end crashes all processes and waits until they have unwound.
func (s *scheduler) end() {
	s.look()
	s.mu.Lock()
	alive := slices.Clone(s.alive)
	s.mu.Unlock()
	for _, p := range alive {
		p.crash()
	}
	s.look()
}
