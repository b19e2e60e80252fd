package lambdas_test

import (
	"errors"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/api"
	"gakushoku/internal/app/lambdas/archiver"
	"gakushoku/internal/app/lambdas/audit"
	"gakushoku/internal/app/lambdas/command"
	"gakushoku/internal/app/lambdas/health"
	"gakushoku/internal/app/lambdas/projector"
	"gakushoku/internal/app/lambdas/query"
	function "gakushoku/internal/app/lambdas/rebuild"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/engine/rebuild"
)

// The functions are opened as their mains do. No call leaves the process: liveness looks at nothing,
// and an empty batch has nothing to apply.
func TestFunctionsBehindTheAPIServeTheirPart(t *testing.T) {
	t.Parallel()
	s := open(t)
	for path, build := range map[string]func(*lambdas.System) (api.Handler, error){"/sales": command.Build, "/nothing": query.Build, "/health/live": health.Build} {
		out, err := built(t, s, build)(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: path})
		if want := map[bool]int{true: 200, false: 404}[path == "/health/live"]; err != nil || out.StatusCode != want {
			t.Errorf("%s: %d %v", path, out.StatusCode, err)
		}
	}
}

func TestReadersOfTheStreamTakeAnEmptyBatch(t *testing.T) {
	t.Parallel()
	s := open(t, lambdas.EnvLogBucket, "b")
	for name, build := range map[string]func(*lambdas.System) (lambdaevent.StreamHandler, error){"projector": projector.Build, "archiver": archiver.Build} {
		if out, err := built(t, s, build)(t.Context(), lambdaevent.StreamBatch{}); err != nil || len(out.BatchItemFailures) > 0 {
			t.Errorf("%s: %v %v", name, out, err)
		}
	}
}

// The state machine knows errors by the names of their types.
func TestRebuildNamesItsErrors(t *testing.T) {
	t.Parallel()
	s := open(t, lambdas.EnvLogBucket, "b", lambdas.EnvStateMachineARN, "arn:aws:states:us-east-1:000000000000:stateMachine:r")
	_, err := built(t, s, function.Build)(t.Context(), rebuild.Task{Step: "Prepare", RunID: "r1", Request: []byte(`{}`)})
	var refused rebuild.Refused
	if !errors.As(err, &refused) || reflect.TypeOf(err).Name() != "Refused" {
		t.Errorf("%T: %v", err, err)
	}
}

func TestAFunctionNamesTheSettingThatItLacks(t *testing.T) {
	t.Parallel()
	if _, err := archiver.Build(open(t)); err == nil || !strings.Contains(err.Error(), lambdas.EnvLogBucket) {
		t.Errorf("%v does not name %s", err, lambdas.EnvLogBucket)
	}
	if _, err := audit.Build(open(t, lambdas.EnvLogBucket, "b")); err == nil || !strings.Contains(err.Error(), lambdas.EnvAuditKey) {
		t.Errorf("%v does not name %s", err, lambdas.EnvAuditKey)
	}
	_, err := function.Build(open(t))
	for _, name := range []string{lambdas.EnvLogBucket, lambdas.EnvStateMachineARN} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

// Nobody is served by a function that does not know whom to trust.
func TestAFunctionBehindTheAPIAsksWhoseTokensAreAccepted(t *testing.T) {
	t.Parallel()
	for named, settings := range map[string][]string{
		lambdas.EnvIssuer:    {lambdas.EnvAllowAnonymous, ""},
		lambdas.EnvAudience:  {lambdas.EnvIssuer, "https://login.example.com"},
		lambdas.EnvKeySet:    {lambdas.EnvKeySet, "https://login.example.com/keys"},
		lambdas.EnvRoleNames: {lambdas.EnvIssuer, "https://login.example.com", lambdas.EnvAudience, "canteen", lambdas.EnvRoleNames, "Chefs=chef"},
	} {
		if _, err := command.Build(open(t, settings...)); err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%v: %v does not name %s", settings, err, named)
		}
	}
	s := open(t, lambdas.EnvAllowAnonymous, "", lambdas.EnvIssuer, "https://login.example.com", lambdas.EnvAudience, "canteen", lambdas.EnvGuestSessions, "false")
	out, err := built(t, s, query.Build)(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: "/orders"})
	if err != nil || out.StatusCode != 401 || len(out.MultiValueHeaders["Www-Authenticate"]) != 1 {
		t.Errorf("a list for nobody: %+v, %v", out, err)
	}
	out, err = built(t, s, command.Build)(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: "POST", Path: "/session"})
	if err != nil || out.StatusCode != 404 {
		t.Errorf("a session where there are none: %+v, %v", out, err)
	}
}

func TestCredentialsRegionAndEndpointAreTheEnvironments(t *testing.T) {
	t.Parallel()
	s := open(t, "AWS_ENDPOINT_URL", "http://localhost:4566", "AWS_ACCESS_KEY_ID", "k", "AWS_SECRET_ACCESS_KEY", "s", "AWS_SESSION_TOKEN", "t")
	c, err := s.AWS.Credentials.Retrieve(t.Context())
	if err != nil || c.AccessKeyID != "k" || c.SecretAccessKey != "s" || c.SessionToken != "t" || s.AWS.Region != "us-east-1" || *s.AWS.BaseEndpoint != "http://localhost:4566" {
		t.Errorf("%+v, %+v, %v", c, s.AWS, err)
	}
	if _, err := open(t).AWS.Credentials.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("no credentials: %v", err)
	}
}

// What a function does not use must not be in its binary, where it costs time at each cold start.
func TestAFunctionCarriesOnlyWhatItUses(t *testing.T) {
	t.Parallel()
	sdk := "github.com/aws/aws-sdk-go-v2/"
	everywhere := []string{"github.com/getkin/", "github.com/santhosh-tekuri/", "modernc.org/", sdk + "config", sdk + "service/sts", sdk + "service/dynamodbstreams"}
	for name, unused := range map[string][]string{
		"command":   {"gakushoku/internal/engine/rebuild", sdk + "service/kms", sdk + "service/s3", sdk + "service/sfn"},
		"query":     {"gakushoku/internal/engine/rebuild", sdk + "service/kms", sdk + "service/s3", sdk + "service/sfn"},
		"health":    {"gakushoku/internal/engine/rebuild", sdk + "service/kms", sdk + "service/s3", sdk + "service/sfn"},
		"projector": {"gakushoku/internal/engine/rebuild", sdk + "service/kms", sdk + "service/s3", sdk + "service/sfn", "gakushoku/internal/edge/httpapi"},
		"archiver":  {"gakushoku/internal/engine/rebuild", sdk + "service/sfn", "gakushoku/internal/edge/httpapi"},
		"reproject": {sdk + "service/kms", "gakushoku/internal/edge/httpapi"},
		"audit":     {"gakushoku/internal/engine/rebuild", sdk + "service/sfn", "gakushoku/internal/edge/httpapi"},
		"process":   {"gakushoku/internal/engine/rebuild", sdk + "service/kms", sdk + "service/sfn", sdk + "service/s3", "gakushoku/internal/edge/httpapi"},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "gakushoku/functions/"+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range append(unused, everywhere...) {
			if found := strings.Index("\n"+string(out), "\n"+prefix); found >= 0 {
				pkg, _, _ := strings.Cut(string(out)[found:], "\n")
				t.Errorf("%s carries %s", name, pkg)
			}
		}
	}
}

// built returns a function's handler, as Main starts it.
func built[In, Out any](t *testing.T, s *lambdas.System, build func(*lambdas.System) (lambdas.Handler[In, Out], error)) lambdas.Handler[In, Out] {
	t.Helper()
	handler, err := build(s)
	if err != nil {
		t.Fatal(err)
	}
	return lambdas.Observed(s.Telemetry, handler)
}

// open returns a system with what every function needs, and more.
func open(t *testing.T, more ...string) *lambdas.System {
	t.Helper()
	s, err := lambdas.Open(t.Context(), "test", lambdas.Environment(append(more,
		lambdas.EnvEventTable, "e", lambdas.EnvControlTable, "c", lambdas.EnvReadModelPrefix, "p-", lambdas.EnvLogLevel, "error", "AWS_REGION", "us-east-1",
		lambdas.EnvAllowAnonymous, "true")...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
