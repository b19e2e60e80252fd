package provider

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"gakushoku/internal/edge/payment"
)

// The kinds of faults.
const (
	FaultDecline = "decline" // new payments are declined
	FaultSlow    = "slow"    // calls wait before they do anything
	FaultLost    = "lost"    // calls are carried out, then the connection breaks without an answer
	FaultDown    = "down"    // calls are answered with 503 and not carried out
)

// maxFaultMs bounds the times of faults.
const maxFaultMs = 24 * 60 * 60 * 1000

// Fault is a fault that was asked for. With neither Calls nor ForMs it lasts until it is cleared.
type Fault struct {
	Calls   int    `json:"calls,omitempty"`   // concerns only so many calls
	ForMs   int64  `json:"forMs,omitempty"`   // lasts only so long
	DelayMs int64  `json:"delayMs,omitempty"` // of FaultSlow
	Reason  string `json:"reason,omitempty"`  // of FaultDecline; "insufficient-funds" if empty
}

// check refuses an invalid fault, and completes a valid one.
func (f *Fault) check(kind string) error {
	switch {
	case kind != FaultDecline && kind != FaultSlow && kind != FaultLost && kind != FaultDown:
		return fmt.Errorf("there is no fault %.40q: choose %s, %s, %s or %s", kind, FaultDecline, FaultSlow, FaultLost, FaultDown)
	case f.Calls < 0 || f.ForMs < 0 || f.DelayMs < 0 || f.ForMs > maxFaultMs || f.DelayMs > maxFaultMs:
		return fmt.Errorf("calls, forMs and delayMs must be at least 0, and the times at most %d", maxFaultMs)
	case kind == FaultSlow && f.DelayMs == 0:
		return errors.New("a slow provider needs delayMs")
	}
	if kind == FaultDecline && f.Reason == "" {
		f.Reason = "insufficient-funds"
	}
	if f.Reason != "" && !payment.ValidKey(f.Reason) {
		return errors.New("reason must be 1 to 128 characters of [A-Za-z0-9._:-]")
	}
	return nil
}

// faults are the faults that are set. They end with the process. It is safe for concurrent use.
type faults struct {
	now func() time.Time
	mu  sync.Mutex
	set map[string]*active
}

type active struct {
	Fault
	until time.Time // zero for no end
}

func (f *faults) put(kind string, fault Fault) error {
	if err := fault.check(kind); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set == nil {
		f.set = map[string]*active{}
	}
	f.set[kind] = &active{Fault: fault}
	if fault.ForMs > 0 {
		f.set[kind].until = f.now().Add(time.Duration(fault.ForMs) * time.Millisecond)
	}
	return nil
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.set)
}

// take returns the fault of a kind if it concerns this call, and counts the call.
func (f *faults) take(kind string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	found, ok := f.set[kind]
	if !ok {
		return Fault{}, false
	}
	if found.Calls == 1 {
		delete(f.set, kind)
	} else if found.Calls > 1 {
		found.Calls--
	}
	return found.Fault, true
}

// list returns the faults with what is left of them.
func (f *faults) list() map[string]Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	all := map[string]Fault{}
	for kind, a := range f.set {
		left := a.Fault
		if !a.until.IsZero() {
			left.ForMs = max(1, a.until.Sub(f.now()).Milliseconds())
		}
		all[kind] = left
	}
	return all
}

func (f *faults) expire() {
	maps.DeleteFunc(f.set, func(_ string, a *active) bool { return !a.until.IsZero() && !f.now().Before(a.until) })
}
