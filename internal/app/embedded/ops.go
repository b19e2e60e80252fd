package embedded

import (
	"net"
	"net/http"
)

// loopback reports whether only programs on this machine can reach an address.
func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// opsConnections bounds the connections for metrics and health.
const opsConnections = 64

// detailsFor returns which requests may see the details of health on the public listener: those of clients on
// this machine, if no others can reach it. A request that a proxy forwards may come from anywhere.
func detailsFor(addr net.Addr) func(*http.Request) bool {
	if !loopback(addr) {
		return nil
	}
	return func(r *http.Request) bool {
		for _, forwarded := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
			if r.Header.Get(forwarded) != "" {
				return false
			}
		}
		return true
	}
}
