package lambdas

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/wiring"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/awsfault"
)

// Stack is a deployed stack from outside: the stores that its functions work on, and the state machine
// of its rebuilds.
type Stack struct {
	*wiring.Ports
	Name    string
	Cloud   Cloud
	Machine *stepfunctions.Machine
	// Settings are those of rebuilds. What the stack was deployed with is not known from outside, so
	// these times are the longest possible ones.
	Settings rebuild.Settings

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
	s := &Stack{Ports: system.ports(system.control), Name: name, Cloud: cloud, Settings: system.settings(), system: system}
	s.Blobs, _ = system.blobs()     // its name is set
	s.Machine, _ = system.machine() // and so is this one
	return s
}
