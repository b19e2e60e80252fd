package lambdas

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/store/memory"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestConfigurationIsRead(t *testing.T) {
	t.Parallel()
	c, err := ReadConfig(environment(envEventTable, "e", envControlTable, "c", envReadModelPrefix, "p-", envLogBucket, "b", envLogLevel, "debug", envPointerTTL, "250ms",
		envProjectorTimeout, "2m", envStateMachineARN, "m"))
	want := Config{EventTable: "e", ControlTable: "c", ReadModelPrefix: "p-", LogBucket: "b", LogLevel: zerolog.DebugLevel, PointerTTL: 250 * time.Millisecond, ProjectorTimeout: 2 * time.Minute, StateMachineARN: "m"}
	if diff := cmp.Diff(want, c); err != nil || diff != "" {
		t.Error(err, diff)
	}
	c, err = ReadConfig(environment(envEventTable, "e", envControlTable, "c", envReadModelPrefix, "p-"))
	if err != nil || c.PointerTTL != defaultPointerTTL || c.ProjectorTimeout != defaultProjectorTimeout || c.LogLevel != zerolog.InfoLevel {
		t.Errorf("%+v %v", c, err)
	}
}

func TestEveryFaultOfTheConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	_, err := ReadConfig(environment(envControlTable, "c", envLogLevel, "loud", envPointerTTL, "an hour", envProjectorTimeout, "16m"))
	for _, name := range []string{envEventTable, envReadModelPrefix, envLogLevel, envPointerTTL, envProjectorTimeout} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	if err != nil && strings.Contains(err.Error(), envControlTable) {
		t.Errorf("%v names %s, which is set", err, envControlTable)
	}
	for _, ttl := range []string{"-1s", "2m", "5"} {
		if _, err := ReadConfig(environment(envEventTable, "e", envControlTable, "c", envReadModelPrefix, "p", envPointerTTL, ttl)); err == nil {
			t.Errorf("%s was accepted", ttl)
		}
	}
	if _, err := Open(t.Context(), "command", environment()); err == nil {
		t.Error("a function without configuration was opened")
	}
}

func TestTheFirstUseSetsAProjectionUpOnce(t *testing.T) {
	t.Parallel()
	control, tables := memory.NewControl(), memory.NewTables()
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			s := &selfSetup{Pointers: control, tables: tables}
			p, err := s.Pointer(t.Context(), "orders")
			if v, ok := p.ActiveVersion(); err != nil || !ok || v.Number != 1 {
				t.Errorf("%+v %v", p, err)
			}
		})
	}
	running.Wait()
	if p, err := control.Pointer(t.Context(), "orders"); err != nil || p.Changes != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := (&selfSetup{Pointers: control, tables: tables}).Pointer(t.Context(), "menu"); err == nil {
		t.Error("a projection that nobody knows was set up")
	}
}

// TestEveryFunctionCanBeBuilt opens the functions as their mains do. No call leaves the
// process: liveness looks at nothing, and an empty batch has nothing to apply.
func TestEveryFunctionCanBeBuilt(t *testing.T) {
	s := open(t, envLogBucket, "b", envStateMachineARN, "arn:aws:states:us-east-1:000000000000:stateMachine:r")
	for path, build := range map[string]func() (HTTPHandler, error){"/sales": s.Command, "/menu": s.Query, "/health/live": s.Health} {
		handler, err := build()
		if err != nil {
			t.Fatal(err)
		}
		out, err := handler(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: path})
		if want := map[bool]int{true: 200, false: 404}[path == "/health/live"]; err != nil || out.StatusCode != want {
			t.Errorf("%s: %d %v", path, out.StatusCode, err)
		}
	}
	archiver, err := s.Archiver()
	if err != nil {
		t.Fatal(err)
	}
	for name, handler := range map[string]StreamHandler{"projector": s.Projector(), "archiver": archiver} {
		if out, err := handler(t.Context(), lambdaevent.StreamBatch{}); err != nil || len(out.BatchItemFailures) > 0 {
			t.Errorf("%s: %v %v", name, out, err)
		}
	}
}

func TestTheRebuildsFunctionNamesItsErrors(t *testing.T) {
	s := open(t, envLogBucket, "b", envStateMachineARN, "arn:aws:states:us-east-1:000000000000:stateMachine:r")
	handler, err := s.Reproject()
	if err != nil {
		t.Fatal(err)
	}
	_, err = handler(t.Context(), rebuild.Task{Step: "Prepare", RunID: "r1", Request: []byte(`{}`)})
	var refused rebuild.Refused
	if !errors.As(err, &refused) || reflect.TypeOf(err).Name() != "Refused" {
		t.Errorf("%T: %v", err, err)
	}
	if _, err := open(t, envLogBucket, "b").Reproject(); err == nil || !strings.Contains(err.Error(), envStateMachineARN) {
		t.Errorf("%v does not name %s", err, envStateMachineARN)
	}
}

func TestTheLogNeedsABucket(t *testing.T) {
	if _, err := open(t).Archiver(); err == nil || !strings.Contains(err.Error(), envLogBucket) {
		t.Errorf("%v does not name %s", err, envLogBucket)
	}
}

// open is a system with what every function needs, and more.
func open(t *testing.T, more ...string) *System {
	t.Helper()
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	s, err := Open(t.Context(), "test", environment(append([]string{envEventTable, "e", envControlTable, "c", envReadModelPrefix, "p-", envLogLevel, "error"}, more...)...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
