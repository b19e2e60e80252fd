// Package lambdas builds what each Lambda function is: the engine on DynamoDB behind API
// Gateway and the event table's stream. It is the AWS half of package embedded, in a package of
// its own so that the functions do not carry the embedded half, SQLite above all, with them.
// Stack is the same for the operator's tools.
package lambdas

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/wiring"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/store/dynamo"
)

// HTTPHandler is a Lambda handler behind API Gateway.
type HTTPHandler func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)

// StreamHandler is a Lambda handler of the event table's stream.
type StreamHandler func(context.Context, lambdaevent.StreamBatch) (events.DynamoDBEventResponse, error)

// System is the stores on DynamoDB and what stands on them. Nothing is read or written
// before the first invocation needs it.
type System struct {
	config  Config
	logger  zerolog.Logger
	cloud   aws.Config
	client  *dynamodb.Client
	events  *dynamo.Events
	tables  *dynamo.Tables
	control *dynamo.Control

	telemetry *telemetry.Telemetry // nil sends nothing
}

// Open reads the configuration from the environment and prepares the clients, whose
// credentials, region and endpoint (AWS_ENDPOINT_URL) come from where AWS's own tools find
// them too. function is the name in log lines.
func Open(ctx context.Context, function string, getenv func(string) string) (*System, error) {
	c, err := ReadConfig(getenv)
	if err != nil {
		return nil, err
	}
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	logger := observe.NewLogger(os.Stdout, c.LogLevel, function)
	sent, err := openTelemetry(ctx, function, getenv, os.Stdout, logger)
	if err != nil {
		return nil, err
	}
	return newSystem(cloud, c, logger, sent), nil
}

func newSystem(cloud aws.Config, c Config, logger zerolog.Logger, sent *telemetry.Telemetry) *System {
	s := &System{config: c, logger: logger, cloud: cloud, telemetry: sent}
	s.client = dynamodb.NewFromConfig(cloud, options(s, dynamo.Bounded, dynamo.Traced)...)
	s.events = dynamo.NewEvents(s.client, c.EventTable)
	s.tables = dynamo.NewTables(s.client, dynamo.Options{Prefix: c.ReadModelPrefix, Tags: map[string]string{"application": "gakushoku"}})
	s.control = dynamo.NewControl(s.client, c.ControlTable)
	return s
}

// options are those of a client of AWS. Only where somebody traces its calls pass through what
// records them: the SDK puts that together anew for each call.
func options[O any](s *System, bounded, traced func(*O)) []func(*O) {
	if s.telemetry.Tracer() == nil {
		return []func(*O){bounded}
	}
	return []func(*O){bounded, traced}
}

// Exit ends a function that could not be built, with a log line that says why.
func Exit(function string, err error) {
	logger := observe.NewLogger(os.Stdout, zerolog.InfoLevel, function)
	logger.Error().Str(observe.FieldErrorClass, string(fault.Bug)).Err(err).Msg("function:not-started")
	os.Exit(1)
}

// Command is the function that serves commands.
func (s *System) Command() (HTTPHandler, error) {
	return s.serve(httpapi.Config{Parts: httpapi.PartCommands, Commands: s.ports(s.control).Commands()})
}

// Query is the function that serves queries. It writes nothing: a read model that was never
// set up has no rows.
func (s *System) Query() (HTTPHandler, error) {
	return s.serve(httpapi.Config{Parts: httpapi.PartQueries, Queries: s.ports(s.control).Queries()})
}

// Health is the function that tells how the parts are.
func (s *System) Health() (HTTPHandler, error) {
	return s.serve(httpapi.Config{Parts: httpapi.PartHealth, Health: &health.Checker{Now: time.Now, Probes: []health.Probe{
		health.EventStore(s.events),
		health.ReadModel(s.control, s.tables, readmodel.OrdersName),
		health.ProjectionLag(maxLag, s.lag(readerProjector)),
		health.LogLag(maxLag, s.lag(readerArchiver)),
		health.Parked(s.control, s.tables, canteen.Projections().Names()...),
	}}})
}

func (s *System) serve(c httpapi.Config) (HTTPHandler, error) {
	c.Logger, c.Metrics = s.logger, s.telemetry.Metrics()
	h, err := httpapi.New(c)
	if err != nil {
		return nil, err
	}
	return observed(s.telemetry, lambdaevent.HTTP(h, s.logger)), nil
}

// ports are the stores; queries and the projector read pointers through a cache of source.
func (s *System) ports(source projection.Pointers) *wiring.Ports {
	cached := &projection.CachedPointers{Source: source, TTL: s.config.PointerTTL, Now: time.Now}
	return &wiring.Ports{Events: s.events, Tables: s.tables, Control: s.control, Pointers: cached, Ledger: s.ledger()}
}
