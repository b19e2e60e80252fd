package identity

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gakushoku/internal/observe"
)

// maxCallers bounds how many callers a Limiter remembers in each half of its memory.
const maxCallers = 10_000

// Limiter bounds how many requests a caller may send. Callers without a name are told apart by their address.
type Limiter struct {
	now    func() time.Time
	second rate.Limit
	burst  int

	mu              sync.Mutex
	recent, earlier map[string]*limited // when recent is full, it becomes earlier
}

// limited is one caller.
type limited struct {
	*rate.Limiter
	told time.Time // when Wait last said that a refusal is the first; under the mutex of Limiter
}

// quiet is how long refusals of a caller after the first are not first ones.
const quiet = time.Minute

// NewLimiter returns a limiter of so many requests a second on average, and burst at once.
func NewLimiter(second float64, burst int, now func() time.Time) *Limiter {
	return &Limiter{now: now, second: rate.Limit(second), burst: burst, recent: map[string]*limited{}}
}

// Wait returns how long a caller has to wait before this request is served; 0 if it may be now. first says that
// no other request of the caller was refused in the last minute: to record each would cost more than to serve it.
func (l *Limiter) Wait(c observe.Caller, r *http.Request) (delay time.Duration, first bool) {
	now, one := l.now(), l.of(key(c, r))
	reserved := one.ReserveN(now, 1)
	if delay = reserved.DelayFrom(now); delay <= 0 {
		return 0, false
	}
	reserved.CancelAt(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	if first = now.Sub(one.told) >= quiet; first {
		one.told = now
	}
	return delay, first
}

// of returns the limiter of one caller. Memory is bounded by forgetting callers who have not sent anything
// while many others have.
func (l *Limiter) of(key string) *limited {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one, ok := l.recent[key]; ok {
		return one
	}
	one, ok := l.earlier[key]
	if !ok {
		one = &limited{Limiter: rate.NewLimiter(l.second, l.burst)}
	}
	if len(l.recent) >= maxCallers {
		l.earlier, l.recent = l.recent, make(map[string]*limited, maxCallers)
	}
	l.recent[key] = one
	return one
}

// key returns what tells callers apart. The addresses of one IPv6 network of 64 bits count as one.
func key(c observe.Caller, r *http.Request) string {
	if c.Name != "" {
		return "name " + c.Name
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return "address " + host
	}
	const network = 64
	if at = at.Unmap(); at.Is6() {
		if prefix, err := at.WithZone("").Prefix(network); err == nil {
			return "network " + prefix.String()
		}
	}
	return "address " + at.String()
}
