// Package lambdas holds what the Lambda functions share: configuration, AWS clients, telemetry and startup.
// Each function is a subpackage, so that its binary contains only what it uses.
package lambdas

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/wiring"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
	"gakushoku/internal/store/dynamo"
)

// Handler is a Lambda handler.
type Handler[In, Out any] = func(context.Context, In) (Out, error)

// System is what every function works with. It reads and writes nothing before the first invocation.
type System struct {
	Config  Config
	Logger  zerolog.Logger
	AWS     aws.Config
	Events  *dynamo.Events
	Tables  *dynamo.Tables
	Control *dynamo.Control
	Ledger  *dynamo.Ledger

	Subjects *dynamo.SubjectKeys // nil where the configuration names no table

	Telemetry *telemetry.Telemetry // nil records nothing
}

// Main runs the function of this name with the handler that build returns. If it cannot start, it logs the
// reason and exits.
func Main[In, Out any](name string, build func(*System) (Handler[In, Out], error)) {
	handler, err := start(context.Background(), name, os.Getenv, build)
	if err != nil {
		logger := observe.NewLogger(os.Stdout, zerolog.InfoLevel, name)
		logger.Error().Str(observe.FieldErrorClass, string(fault.Bug)).Err(err).Msg("function:not-started")
		os.Exit(1)
	}
	lambda.Start(handler)
}

func start[In, Out any](ctx context.Context, name string, getenv func(string) string, build func(*System) (Handler[In, Out], error)) (Handler[In, Out], error) {
	system, err := Open(ctx, name, getenv)
	if err != nil {
		return nil, err
	}
	handler, err := build(system)
	if err != nil {
		return nil, err
	}
	return Observed(system.Telemetry, handler), nil
}

// Open reads the configuration from the environment and prepares the clients. function is the name in log
// lines.
func Open(ctx context.Context, function string, getenv func(string) string) (*System, error) {
	c, err := ReadConfig(getenv)
	if err != nil {
		return nil, err
	}
	logger := observe.NewLogger(os.Stdout, c.LogLevel, function)
	sent, err := openTelemetry(ctx, function, getenv, os.Stdout, logger)
	if err != nil {
		return nil, err
	}
	return New(cloud(getenv), c, logger, sent), nil
}

// cloud returns the configuration of AWS clients. Lambda and its emulators put region, credentials and
// endpoint into the environment. The SDK's own configuration would look in six more places, and every
// function would contain and initialize the clients for that.
func cloud(getenv func(string) string) aws.Config {
	c := aws.Config{
		Region: getenv("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			c := aws.Credentials{
				AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: getenv("AWS_SESSION_TOKEN"), Source: "environment",
			}
			if !c.HasKeys() {
				return c, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
			}
			return c, nil
		}),
	}
	if endpoint := getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		c.BaseEndpoint = &endpoint
	}
	return c
}

// New returns the system for an AWS configuration. sent may be nil.
func New(cloud aws.Config, c Config, logger zerolog.Logger, sent *telemetry.Telemetry) *System {
	s := &System{Config: c, Logger: logger, AWS: cloud, Telemetry: sent}
	client := dynamodb.NewFromConfig(cloud, Options(s, dynamo.Bounded, dynamo.Traced)...)
	s.Events = dynamo.NewEvents(client, c.EventTable)
	s.Tables = dynamo.NewTables(client, dynamo.Options{Prefix: c.ReadModelPrefix, Tags: map[string]string{"application": "gakushoku"}})
	s.Control = dynamo.NewControl(client, c.ControlTable)
	s.Ledger = dynamo.NewLedger(client, c.ControlTable)
	if c.SubjectTable != "" {
		s.Subjects = dynamo.NewSubjectKeys(client, c.SubjectTable)
	}
	return s
}

// Options returns the options of an AWS client. It omits traced, which records calls, unless spans are
// exported: the SDK assembles its middleware anew for each call.
func Options[O any](s *System, bounded, traced func(*O)) []func(*O) {
	if s.Telemetry.Tracer() == nil {
		return []func(*O){bounded}
	}
	return []func(*O){bounded, traced}
}

// Ports returns the stores. Pointers are cached; source is read on a miss.
func (s *System) Ports(source projection.Pointers) *wiring.Ports {
	cached := &projection.CachedPointers{Source: source, TTL: s.Config.PointerTTL, Now: time.Now}
	p := &wiring.Ports{Events: s.Events, Tables: s.Tables, Control: s.Control, Pointers: cached, Ledger: s.Ledger, States: s.Control}
	if s.Subjects != nil {
		p.Subjects = s.Subjects
	}
	return p
}

// Required returns a setting that not all functions need. If it is missing, the error names its variable.
func Required(variable, value, what string) (string, error) {
	if value == "" {
		return "", fmt.Errorf("%s is not set: it names %s", variable, what)
	}
	return value, nil
}
