package lambdas

import (
	"errors"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/store/dynamo"
	"gakushoku/internal/store/s3"
)

// Archiver is the function that puts the event table's stream into the log.
func (s *System) Archiver() (StreamHandler, error) {
	blobs, err := s.blobs()
	if err != nil {
		return nil, err
	}
	ports := s.ports(s.control)
	ports.Blobs = blobs
	marker := &marker{checkpoints: s.control, reader: readerArchiver, other: readerProjector, now: time.Now}
	return observed(s.telemetry, lambdaevent.Archive(ports.Archiver().Commit, marker.done, s.logger)), nil
}

// blobs is the log's bucket. Only the functions that use it make its client, so that the
// others do not carry it.
func (s *System) blobs() (*s3.Blobs, error) {
	if s.config.LogBucket == "" {
		return nil, errors.New(envLogBucket + " is not set: it names the bucket of the log")
	}
	return s3.NewBlobs(awss3.NewFromConfig(s.cloud, options(s, s3.Bounded, s3.Traced)...), s.config.LogBucket), nil
}

func (s *System) ledger() *dynamo.Ledger { return dynamo.NewLedger(s.client, s.config.ControlTable) }
