// Package contract runs the contract suites of ports, each of which every adapter of a port must pass.
package contract

import "testing"

// Run runs the promises of a port as parallel subtests, by what they promise. Each opens its own stores with h.
func Run[H any](t *testing.T, h H, promises map[string]func(*testing.T, H)) {
	for name, run := range promises {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, h)
		})
	}
}
