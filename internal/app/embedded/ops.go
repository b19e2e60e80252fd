package embedded

import (
	"net"
	"net/http"
)

// opsConnections bounds who looks at metrics and health at once.
const opsConnections = 64

// detailsFor says who may see the details of health on the listener of the interface: a client on
// this machine, if only those reach it. What a proxy forwards may come from anywhere.
func detailsFor(addr net.Addr) func(*http.Request) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() {
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
