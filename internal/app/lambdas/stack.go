package lambdas

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rs/zerolog"

	"gakushoku/internal/archive"
	"gakushoku/internal/dynamo"
	"gakushoku/internal/eventlog"
	"gakushoku/internal/observe"
	"gakushoku/internal/projection"
	"gakushoku/internal/repair"
	"gakushoku/internal/reproject"
	"gakushoku/internal/s3"
	"gakushoku/internal/sfn"
)

// Stack is a deployed stack as the operator's tools see it: what its functions work on, and
// the state machine of its rebuilds.
type Stack struct {
	Name    string
	Region  string
	Account string
	Events  *dynamo.Events
	Tables  *dynamo.Tables
	Control *dynamo.Control
	Ledger  *dynamo.Ledger
	Blobs   *s3.Blobs
	Machine *sfn.Machine
	// Engine is for what operators do beside runs, such as rolling back; runs go through
	// Machine. What the stack was deployed with is not known from outside, so its times are the
	// longest ones there are.
	Engine *reproject.Engine

	system *System
}

// OpenStack opens a stack by the names that template.yaml gives what it makes. Credentials,
// region and endpoint come from where AWS's own tools find them.
func OpenStack(ctx context.Context, name string) (*Stack, error) {
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	me, err := sts.NewFromConfig(cloud).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("asking AWS whose credentials these are: %w", err)
	}
	return newStack(cloud, name, aws.ToString(me.Account), partitionOf(aws.ToString(me.Arn))), nil
}

// partitionOf is the part of AWS that an ARN belongs to, such as aws or aws-cn.
func partitionOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 1 && parts[1] != "" {
		return parts[1]
	}
	return "aws"
}

func newStack(cloud aws.Config, name, account, partition string) *Stack {
	system := newSystem(cloud, Config{
		EventTable: name + "-events", ControlTable: name + "-control", ReadModelPrefix: name + "_view_",
		LogBucket:       fmt.Sprintf("%s-log-%s-%s", name, account, cloud.Region),
		StateMachineARN: fmt.Sprintf("arn:%s:states:%s:%s:stateMachine:%s-reproject", partition, cloud.Region, account, name),
		PointerTTL:      maxPointerTTL, ProjectorTimeout: defaultProjectorTimeout,
	}, zerolog.Nop(), nil)
	s := &Stack{
		Name: name, Region: cloud.Region, Account: account,
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
func (s *Stack) ReadModels() *repair.ReadModels {
	return &repair.ReadModels{
		Definitions: projection.All(), Pointers: s.Control, Tables: s.Tables, Streams: s.Events,
		Numbers:   &eventlog.Numberer{Log: s.Log(), Streams: s.Events},
		Log:       s.Log(),
		Projector: s.system.healer(), LagBound: lagBound, Now: time.Now,
	}
}

// archivePatience is how long an event may take into the log before it counts as missing: the
// archiver gathers for some seconds, and has more to do after a quiet time.
const archivePatience = time.Minute

// ArchiveLog is the stack's numbered log, to be looked at, verified and repaired.
func (s *Stack) ArchiveLog() *archive.Log {
	return &archive.Log{Ledger: s.Ledger, Blobs: s.Blobs, Store: s.Events, Now: time.Now, NewID: observe.NewID, Patience: archivePatience, Workers: workers}
}
