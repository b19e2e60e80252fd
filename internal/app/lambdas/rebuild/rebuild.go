// Package rebuild is the function that runs the steps of rebuilds for the state machine.
package rebuild

import (
	"context"
	"errors"
	"time"

	awssfn "github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/logbucket"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/observe"
)

// What one invocation can do within its 15 minutes and the 2 GB that template.yaml sets. A part is a fold in
// memory and a put for each row: half a million events fold in seconds, and a new table accepts at least a
// thousand puts per second.
const (
	PartEvents     = 500_000
	PartBytes      = 512 << 20
	replayedAtOnce = 10 // parts, unless the request says otherwise; each has up to 64 puts in flight
	verifyParts    = 16
	workers        = 8
	CatchUpBudget  = 10 * time.Minute
	// lagBound is the time within which the projector applies an event, unless it is overloaded.
	lagBound = 10 * time.Second
)

// Handler is the function's Lambda handler.
type Handler = lambdas.Handler[rebuild.Task, any]

// Build returns the function's handler.
func Build(s *lambdas.System) (Handler, error) {
	blobs, err := logbucket.Open(s)
	machine, machineErr := Machine(s)
	if err := errors.Join(err, machineErr); err != nil {
		return nil, err
	}
	ports := s.Ports(s.Control)
	ports.Blobs = blobs
	return Handle(operator.Engine(ports, machine, Settings(s.Config)).Do, s.Logger), nil
}

// Handle returns the handler that runs one step of a rebuild with do. The run's id is the correlation id of the
// log lines. The state machine identifies errors by the names of their types.
func Handle(do func(context.Context, rebuild.Task) (any, error), logger zerolog.Logger) Handler {
	return lambdaevent.Invoked(func(ctx context.Context, task rebuild.Task) (any, error) {
		if id := task.Of(); observe.ValidCorrelationID(id) {
			ctx = observe.WithCorrelationID(ctx, id)
		}
		return do(ctx, task)
	}, logger)
}

// Machine returns the state machine of rebuilds.
func Machine(s *lambdas.System) (*stepfunctions.Machine, error) {
	arn, err := lambdas.Required(lambdas.EnvStateMachineARN, s.Config.StateMachineARN, "the state machine of rebuilds")
	if err != nil {
		return nil, err
	}
	return stepfunctions.NewMachine(awssfn.NewFromConfig(s.AWS, lambdas.Options(s, stepfunctions.Bounded, stepfunctions.Traced)...), arn), nil
}

// Settings returns the settings of rebuilds.
func Settings(c lambdas.Config) rebuild.Settings {
	return rebuild.Settings{
		PointerTTL: c.PointerTTL, ProjectorTimeout: c.ProjectorTimeout, LagBound: lagBound, PartEvents: PartEvents, PartBytes: PartBytes,
		MaxConcurrency: replayedAtOnce, VerifyParts: verifyParts, Workers: workers, CatchUpBudget: CatchUpBudget,
	}
}
