package lambdas

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/counter"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/observe"
)

// The environment variables of the functions; template.yaml sets them.
const (
	EnvEventTable      = "EVENT_TABLE"
	EnvControlTable    = "CONTROL_TABLE"
	EnvReadModelPrefix = "READ_MODEL_PREFIX"
	EnvLogBucket       = "LOG_BUCKET"
	EnvLogLevel        = "LOG_LEVEL"
	EnvPointerTTL      = "POINTER_TTL"

	EnvIssuer         = "ISSUER"
	EnvAudience       = "AUDIENCE"
	EnvKeySet         = "KEY_SET"
	EnvRoleClaim      = "ROLE_CLAIM"
	EnvRoleNames      = "ROLE_NAMES"
	EnvGuestSessions  = "GUEST_SESSIONS"
	EnvAllowAnonymous = "ALLOW_ANONYMOUS"
	EnvGuestPortions  = "GUEST_PORTIONS"
	EnvGuestOpen      = "GUEST_OPEN_ORDERS"
	EnvPaymentURL     = "PAYMENT_PROVIDER_URL"
	EnvPaymentSecret  = "PAYMENT_PROVIDER_SECRET" //nolint:gosec // the name of a variable

	EnvProjectorTimeout = "PROJECTOR_TIMEOUT"
	EnvStateMachineARN  = "STATE_MACHINE_ARN"
	EnvAuditKey         = "AUDIT_KEY"
	EnvSubjectTable     = "SUBJECT_TABLE"
	EnvProcessFunction  = "PROCESS_FUNCTION"
)

// defaultPointerTTL is how long a pointer is cached. A switch waits at least as long.
const defaultPointerTTL = 5 * time.Second

// DefaultProjectorTimeout is the longest time that Lambda lets a function run, so a rebuild that waits this
// long for invocations of the projector to end is safe, whatever the projector's limit is.
const DefaultProjectorTimeout = 15 * time.Minute

// MaxPointerTTL bounds PointerTTL: with a longer one, a switch or rollback would take too long.
const MaxPointerTTL = time.Minute

// Config holds the settings of a function.
type Config struct {
	EventTable      string        // DynamoDB table of events
	ControlTable    string        // DynamoDB table of pointers, checkpoints and the log's records
	ReadModelPrefix string        // of the names of the read models' tables
	LogBucket       string        // S3 bucket of the log; "" in functions that do not use it
	LogLevel        zerolog.Level // info by default
	PointerTTL      time.Duration // how long a pointer may be cached

	PaymentURL    string // of the payment provider; "" if there is none
	PaymentSecret string // what the provider knows us by

	Guests counter.Limits // of what guests may hold

	ProjectorTimeout time.Duration // how long an invocation of the projector may last
	StateMachineARN  string        // of rebuilds; "" in functions that do not use it
	SubjectTable     string        // DynamoDB table of the keys of subjects; "" in functions that do not use it
	ProcessFunction  string        // name of the function that carries out what is due; "" in functions that do not wake it
	AuditKey         string        // KMS key that checkpoints are signed with; "" in functions that do not use it

	Callers Callers
}

// Callers are the settings that say whose credentials are accepted. Only functions behind the API read them.
type Callers struct {
	Issuer, Audience, KeySet string // of the provider's tokens
	RoleClaim, RoleNames     string
	NoGuests                 bool // there are no sessions of guests
	Everybody                bool // requests without credentials may do everything
}

// ReadConfig reads the configuration from the environment. Its error lists every variable that is missing
// or wrong.
func ReadConfig(getenv func(string) string) (Config, error) {
	var errs []error
	required := func(name, what string) string {
		value, err := Required(name, getenv(name), what)
		errs = append(errs, err)
		return value
	}
	c := Config{
		EventTable:      required(EnvEventTable, "the DynamoDB table of events"),
		ControlTable:    required(EnvControlTable, "the DynamoDB table of pointers, checkpoints and the log's records"),
		ReadModelPrefix: required(EnvReadModelPrefix, "what the names of the read models' tables begin with"),
		LogBucket:       getenv(EnvLogBucket),
		PointerTTL:      defaultPointerTTL,
		PaymentURL:      getenv(EnvPaymentURL),
		PaymentSecret:   getenv(EnvPaymentSecret),

		ProjectorTimeout: DefaultProjectorTimeout,
		StateMachineARN:  getenv(EnvStateMachineARN),
		AuditKey:         getenv(EnvAuditKey),
		ProcessFunction:  getenv(EnvProcessFunction),
		SubjectTable:     getenv(EnvSubjectTable),

		Callers: Callers{
			Issuer: getenv(EnvIssuer), Audience: getenv(EnvAudience), KeySet: getenv(EnvKeySet),
			RoleClaim: getenv(EnvRoleClaim), RoleNames: getenv(EnvRoleNames),
			NoGuests: getenv(EnvGuestSessions) == "false", Everybody: getenv(EnvAllowAnonymous) == "true",
		},
	}
	var err error
	if c.LogLevel, err = observe.ParseLevel(getenv(EnvLogLevel)); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", EnvLogLevel, err))
	}
	for _, d := range []struct {
		name  string
		into  *time.Duration
		limit time.Duration
	}{{EnvPointerTTL, &c.PointerTTL, MaxPointerTTL}, {EnvProjectorTimeout, &c.ProjectorTimeout, DefaultProjectorTimeout}} {
		text := getenv(d.name)
		if text == "" {
			continue
		}
		if *d.into, err = time.ParseDuration(text); err != nil || *d.into < 0 || *d.into > d.limit {
			errs = append(errs, fmt.Errorf("%s is %q: it must be a time from 0s to %s, such as 5s", d.name, text, d.limit))
		}
	}
	c.Guests = counter.DefaultLimits
	for name, into := range map[string]*int{EnvGuestPortions: &c.Guests.Portions, EnvGuestOpen: &c.Guests.Open} {
		if text := getenv(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil || *into < 0 {
				errs = append(errs, fmt.Errorf("%s is %q: it must be a whole number, 0 for no bound", name, text))
			}
		}
	}
	return c, errors.Join(errs...)
}

// Payments returns the client of the payment provider, nil if none is configured.
func (c *Config) Payments() (payment.Provider, error) {
	if c.PaymentURL == "" {
		return nil, nil
	}
	card, err := payment.NewCard(c.PaymentURL, c.PaymentSecret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", EnvPaymentURL, err)
	}
	return card, nil
}
