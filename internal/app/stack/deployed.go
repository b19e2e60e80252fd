package stack

import (
	"context"
	"errors"
	"fmt"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/audit"
	"gakushoku/internal/app/lambdas/logbucket"
	function "gakushoku/internal/app/lambdas/rebuild"
	"gakushoku/internal/app/wiring"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/awsfault"
	"gakushoku/internal/store/kms"
)

// Deployed is a deployed stack seen from outside: the stores of its functions, and the state machine of its
// rebuilds.
type Deployed struct {
	*wiring.Ports
	Name    string
	Cloud   Cloud
	Machine *stepfunctions.Machine
	// Settings are the settings of rebuilds. The stack's own are not visible from outside, so these times
	// are the longest possible ones.
	Settings    rebuild.Settings
	Credentials credential.Store
	Checkpoints projection.Checkpoints

	config lambdas.Config
}

// ErrNoStack means that there is no stack of that name.
var ErrNoStack = errors.New("there is no such stack")

// OpenDeployed opens a stack, whose resources have the names given in template.yaml. It finds credentials,
// region and endpoint where AWS's own tools find them. It fails with ErrNoStack if nothing of that name is
// deployed there.
func OpenDeployed(ctx context.Context, name string) (*Deployed, error) {
	cloud, err := OpenCloud(ctx)
	if err != nil {
		return nil, err
	}
	s := newDeployed(cloud, name)
	return s, s.isThere(ctx)
}

// isThere checks that the stack exists by its control table, which every tool may read.
func (s *Deployed) isThere(ctx context.Context) error {
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
	return nil // a caller without permission to read the table may be permitted to do other things
}

func newDeployed(cloud Cloud, name string) *Deployed {
	c := lambdas.Config{
		EventTable: name + "-events", ControlTable: name + "-control", SubjectTable: name + "-subjects", ReadModelPrefix: name + "_view_",
		LogBucket:       fmt.Sprintf("%s-log-%s-%s", name, cloud.Account, cloud.Region),
		StateMachineARN: fmt.Sprintf("arn:%s:states:%s:%s:stateMachine:%s-reproject", cloud.Partition, cloud.Region, cloud.Account, name),
		PointerTTL:      lambdas.MaxPointerTTL, ProjectorTimeout: lambdas.DefaultProjectorTimeout,
	}
	system := lambdas.New(cloud.Config, c, zerolog.Nop(), nil)
	s := &Deployed{Ports: system.Ports(system.Control), Name: name, Cloud: cloud, Settings: function.Settings(c), Credentials: system.Control, Checkpoints: system.Control, config: c}
	s.Blobs, _ = logbucket.Open(system)     // cannot fail: the name is set
	s.Machine, _ = function.Machine(system) // likewise
	s.Seals = audit.Check(s.Ledger, s.Blobs, system.Control, kms.New(awskms.NewFromConfig(cloud.Config), audit.Alias(name)))
	return s
}
