//go:build race

package main

// What these tests run is programs of their own, many times slower so; the parts of the server and of
// the commands have tests that look for races.
func init() { raceDetector = true }
