package lambdas

import (
	"context"
	"errors"
	"time"

	awssfn "github.com/aws/aws-sdk-go-v2/service/sfn"

	"gakushoku/internal/eventlog"
	"gakushoku/internal/lambdaevent"
	"gakushoku/internal/projection"
	"gakushoku/internal/reproject"
	"gakushoku/internal/sfn"
)

// ReprojectHandler is a Lambda handler of the state machine of rebuilds.
type ReprojectHandler func(context.Context, reproject.Task) (any, error)

// What one invocation of the rebuild's function can do with its 15 minutes and the 2 GB that
// template.yaml gives it. A part is a fold in memory and a put a row: half a million events
// are folded in seconds, and their rows, at the thousand puts a second that are the least to
// expect of a new table, are in after minutes.
const (
	partEvents     = 500_000
	partBytes      = 512 << 20
	replayedAtOnce = 10 // parts, unless the request says; each has up to 64 puts on their way
	verifyParts    = 16
	workers        = 8
	catchUpBudget  = 10 * time.Minute
	// lagBound is by when the projector has brought in an event, unless it is overloaded.
	lagBound = 10 * time.Second
)

// Reproject is the function that runs the steps of rebuilds.
func (s *System) Reproject() (ReprojectHandler, error) {
	engine, err := s.engine()
	if err != nil {
		return nil, err
	}
	return lambdaevent.Reproject(engine.Do, s.logger), nil
}

func (s *System) engine() (*reproject.Engine, error) {
	blobs, err := s.blobs()
	if s.config.StateMachineARN == "" {
		err = errors.Join(err, errors.New(envStateMachineARN+" is not set: it names the state machine of rebuilds"))
	}
	if err != nil {
		return nil, err
	}
	return &reproject.Engine{
		Definitions: definitions(), Pointers: s.control, Tables: s.tables, Streams: s.events,
		Log: &eventlog.Reader{Ledger: s.ledger(), Blobs: blobs}, Blobs: blobs, Now: time.Now,
		Projector: &projection.Projector{Definitions: definitions(), Tables: s.tables, Streams: s.events, Pointers: s.pointers(s.control), Now: time.Now},
		Runs:      sfn.NewMachine(awssfn.NewFromConfig(s.cloud, sfn.Bounded), s.config.StateMachineARN),
		Settings: reproject.Settings{
			PointerTTL: s.config.PointerTTL, ProjectorTimeout: s.config.ProjectorTimeout, LagBound: lagBound, PartEvents: partEvents, PartBytes: partBytes,
			MaxConcurrency: replayedAtOnce, VerifyParts: verifyParts, Workers: workers, CatchUpBudget: catchUpBudget,
		},
	}, nil
}
