package lambdas

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
)

// The environment variables of the functions; template.yaml sets them.
const (
	envEventTable      = "EVENT_TABLE"
	envControlTable    = "CONTROL_TABLE"
	envReadModelPrefix = "READ_MODEL_PREFIX"
	envLogBucket       = "LOG_BUCKET"
	envLogLevel        = "LOG_LEVEL"
	envPointerTTL      = "POINTER_TTL"

	envProjectorTimeout = "PROJECTOR_TIMEOUT"
	envStateMachineARN  = "STATE_MACHINE_ARN"
)

// defaultPointerTTL is how old the knowledge of the active version may be. A switch waits at
// least as long.
const defaultPointerTTL = 5 * time.Second

// defaultProjectorTimeout is the longest that Lambda lets a function run: a rebuild that waits
// for invocations of the projector to end is right with it, whatever the projector's limit is.
const defaultProjectorTimeout = 15 * time.Minute

// maxPointerTTL bounds the pointer's: beyond, a switch or a roll-back would take long to be seen.
const maxPointerTTL = time.Minute

// Config is what a function has to be told.
type Config struct {
	EventTable      string        // DynamoDB table of events
	ControlTable    string        // DynamoDB table of pointers, checkpoints and the log's records
	ReadModelPrefix string        // of the names of the read models' tables
	LogBucket       string        // S3 bucket of the log; "" in functions that do not use it
	LogLevel        zerolog.Level // info unless it is set
	PointerTTL      time.Duration // how old the knowledge of the active version may be

	ProjectorTimeout time.Duration // how long an invocation of the projector may last
	StateMachineARN  string        // of rebuilds; "" in functions that do not run them
}

// ReadConfig reads the configuration from the environment. Its error names every variable
// that is missing or wrong.
func ReadConfig(getenv func(string) string) (Config, error) {
	var errs []error
	required := func(name, what string) string {
		value := getenv(name)
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is not set: it names %s", name, what))
		}
		return value
	}
	c := Config{
		EventTable:      required(envEventTable, "the DynamoDB table of events"),
		ControlTable:    required(envControlTable, "the DynamoDB table of pointers, checkpoints and the log's records"),
		ReadModelPrefix: required(envReadModelPrefix, "what the names of the read models' tables begin with"),
		LogBucket:       getenv(envLogBucket),
		PointerTTL:      defaultPointerTTL,

		ProjectorTimeout: defaultProjectorTimeout,
		StateMachineARN:  getenv(envStateMachineARN),
	}
	var err error
	if c.LogLevel, err = observe.ParseLevel(getenv(envLogLevel)); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", envLogLevel, err))
	}
	for _, d := range []struct {
		name  string
		into  *time.Duration
		limit time.Duration
	}{{envPointerTTL, &c.PointerTTL, maxPointerTTL}, {envProjectorTimeout, &c.ProjectorTimeout, defaultProjectorTimeout}} {
		text := getenv(d.name)
		if text == "" {
			continue
		}
		if *d.into, err = time.ParseDuration(text); err != nil || *d.into < 0 || *d.into > d.limit {
			errs = append(errs, fmt.Errorf("%s is %q: it must be a time from 0s to %s, such as 5s", d.name, text, d.limit))
		}
	}
	return c, errors.Join(errs...)
}
