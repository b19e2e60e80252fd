package lambdas

import (
	"context"
	"errors"
	"time"

	awssfn "github.com/aws/aws-sdk-go-v2/service/sfn"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/rebuild"
)

// ReprojectHandler is a Lambda handler of the state machine of rebuilds.
type ReprojectHandler func(context.Context, rebuild.Task) (any, error)

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
	blobs, err := s.blobs()
	machine, machineErr := s.machine()
	if err := errors.Join(err, machineErr); err != nil {
		return nil, err
	}
	ports := s.ports(s.control)
	ports.Blobs = blobs
	return observed(s.telemetry, lambdaevent.Reproject(operator.Engine(ports, machine, s.settings()).Do, s.logger)), nil
}

// machine is the state machine of rebuilds.
func (s *System) machine() (*stepfunctions.Machine, error) {
	if s.config.StateMachineARN == "" {
		return nil, errors.New(envStateMachineARN + " is not set: it names the state machine of rebuilds")
	}
	return stepfunctions.NewMachine(awssfn.NewFromConfig(s.cloud, options(s, stepfunctions.Bounded, stepfunctions.Traced)...), s.config.StateMachineARN), nil
}

// settings are those of rebuilds.
func (s *System) settings() rebuild.Settings {
	return rebuild.Settings{
		PointerTTL: s.config.PointerTTL, ProjectorTimeout: s.config.ProjectorTimeout, LagBound: lagBound, PartEvents: partEvents, PartBytes: partBytes,
		MaxConcurrency: replayedAtOnce, VerifyParts: verifyParts, Workers: workers, CatchUpBudget: catchUpBudget,
	}
}
