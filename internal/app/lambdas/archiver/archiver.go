// Package archiver is the function that appends the event table's stream to the numbered log.
package archiver

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/lag"
	"gakushoku/internal/app/lambdas/logbucket"
	"gakushoku/internal/edge/lambdaevent"
)

// Build returns the function's handler.
func Build(s *lambdas.System) (lambdaevent.StreamHandler, error) {
	blobs, err := logbucket.Open(s)
	if err != nil {
		return nil, err
	}
	ports := s.Ports(s.Control)
	ports.Blobs = blobs
	marker := lag.NewMarker(s.Control, lag.Archiver)
	return lambdaevent.Archive(ports.Archiver().Commit, marker.Done, s.Logger), nil
}
