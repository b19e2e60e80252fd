package lambdas

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/canteen"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/awsfault"
	"gakushoku/internal/store/dynamo"
	"gakushoku/internal/store/s3"
)

// Stack is a deployed stack as the operator's tools see it: what its functions work on, and
// the state machine of its rebuilds.
type Stack struct {
	Name    string
	Cloud   Cloud
	Events  *dynamo.Events
	Tables  *dynamo.Tables
	Control *dynamo.Control
	Ledger  *dynamo.Ledger
	Blobs   *s3.Blobs
	Machine *stepfunctions.Machine
	// Engine is for what operators do beside runs, such as rolling back; runs go through
	// Machine. What the stack was deployed with is not known from outside, so its times are the
	// longest ones there are.
	Engine *rebuild.Engine

	system *System
}

// ErrNoStack says that there is no stack of that name.
var ErrNoStack = errors.New("there is no such stack")

// OpenStack opens a stack by the names that template.yaml gives what it makes. Credentials,
// region and endpoint come from where AWS's own tools find them. It fails with ErrNoStack when
// nothing of that name is deployed there.
func OpenStack(ctx context.Context, name string) (*Stack, error) {
	cloud, err := OpenCloud(ctx)
	if err != nil {
		return nil, err
	}
	s := newStack(cloud, name)
	return s, s.isThere(ctx)
}

// isThere looks for the stack by its control table, which every tool may read.
func (s *Stack) isThere(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, identityLimit)
	defer cancel()
	_, err := s.Ledger.Head(limited)
	switch {
	case awsfault.HasCode(err, "ResourceNotFoundException"):
		return fmt.Errorf("%w: nothing named %s is in account %s, region %s: check the name, AWS_PROFILE and AWS_REGION", ErrNoStack, s.Name, s.Cloud.Account, s.Cloud.Region)
	case limited.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("DynamoDB did not respond within %s: check the network, and %s", identityLimit, endpointOf(s.Cloud.Config))
	case fault.ClassOf(err) == fault.Infra:
		return fmt.Errorf("looking for stack %s: check the network, and %s: %w", s.Name, endpointOf(s.Cloud.Config), err)
	}
	return nil // whoever may not read the table may still do other things
}

func newStack(cloud Cloud, name string) *Stack {
	system := newSystem(cloud.Config, Config{
		EventTable: name + "-events", ControlTable: name + "-control", ReadModelPrefix: name + "_view_",
		LogBucket:       fmt.Sprintf("%s-log-%s-%s", name, cloud.Account, cloud.Region),
		StateMachineARN: fmt.Sprintf("arn:%s:states:%s:%s:stateMachine:%s-reproject", cloud.Partition, cloud.Region, cloud.Account, name),
		PointerTTL:      maxPointerTTL, ProjectorTimeout: defaultProjectorTimeout,
	}, zerolog.Nop(), nil)
	s := &Stack{
		Name: name, Cloud: cloud,
		Events: system.events, Tables: system.tables, Control: system.control, Ledger: system.ledger(), system: system,
	}
	s.Blobs, _ = system.blobs()     // its name is set
	s.Machine, _ = system.machine() // and so is this one
	s.Engine = system.engine(s.Blobs, s.Machine)
	return s
}

// Log reads the stack's numbered log.
func (s *Stack) Log() *eventlog.Reader { return &eventlog.Reader{Ledger: s.Ledger, Blobs: s.Blobs} }

// ReadModels is what an operator does about the rows of the stack.
func (s *Stack) ReadModels() *verify.ReadModels {
	return &verify.ReadModels{
		Verifier:    verify.Verifier{Tables: s.Tables, Streams: s.Events, Log: s.Log(), Projector: s.system.healer(), LagBound: lagBound, Now: time.Now},
		Projections: canteen.Projections(), Pointers: s.Control, Numbers: &eventlog.Numberer{Log: s.Log(), Streams: s.Events},
	}
}

// archivePatience is how long an event may take into the log before it counts as missing: the
// archiver gathers for some seconds, and has more to do after a quiet time.
const archivePatience = time.Minute

// ArchiveLog is the stack's numbered log, to be looked at, verified and repaired.
func (s *Stack) ArchiveLog() *logcheck.Log {
	return &logcheck.Log{Ledger: s.Ledger, Blobs: s.Blobs, Store: s.Events, Now: time.Now, NewID: observe.NewID, Patience: archivePatience, Workers: workers}
}
