//go:build race

package simulation_test

// A run has one goroutine at work at a time, and takes ten times as long with the race
// detector: some runs show what it can show.
func init() {
	raceDetector = true
	*seeds = 100
}
