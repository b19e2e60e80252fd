package lambdas

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/counter"
)

func TestConfigurationIsRead(t *testing.T) {
	t.Parallel()
	c, err := ReadConfig(Environment(EnvEventTable, "e", EnvControlTable, "c", EnvReadModelPrefix, "p-", EnvLogBucket, "b", EnvLogLevel, "debug", EnvPointerTTL, "250ms",
		EnvProjectorTimeout, "2m", EnvStateMachineARN, "m"))
	want := Config{EventTable: "e", ControlTable: "c", ReadModelPrefix: "p-", LogBucket: "b", LogLevel: zerolog.DebugLevel, PointerTTL: 250 * time.Millisecond, ProjectorTimeout: 2 * time.Minute, StateMachineARN: "m", Guests: counter.DefaultLimits}
	if diff := cmp.Diff(want, c); err != nil || diff != "" {
		t.Error(err, diff)
	}
	c, err = ReadConfig(Environment(EnvEventTable, "e", EnvControlTable, "c", EnvReadModelPrefix, "p-"))
	if err != nil || c.PointerTTL != defaultPointerTTL || c.ProjectorTimeout != DefaultProjectorTimeout || c.LogLevel != zerolog.InfoLevel {
		t.Errorf("%+v %v", c, err)
	}
}

func TestEveryFaultOfTheConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	_, err := ReadConfig(Environment(EnvControlTable, "c", EnvLogLevel, "loud", EnvPointerTTL, "an hour", EnvProjectorTimeout, "16m", EnvGuestOpen, "-1", EnvGuestPortions, "many"))
	for _, name := range []string{EnvEventTable, EnvReadModelPrefix, EnvLogLevel, EnvPointerTTL, EnvProjectorTimeout, EnvGuestOpen, EnvGuestPortions} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	if err != nil && strings.Contains(err.Error(), EnvControlTable) {
		t.Errorf("%v names %s, which is set", err, EnvControlTable)
	}
	for _, ttl := range []string{"-1s", "2m", "5"} {
		if _, err := ReadConfig(Environment(EnvEventTable, "e", EnvControlTable, "c", EnvReadModelPrefix, "p", EnvPointerTTL, ttl)); err == nil {
			t.Errorf("%s was accepted", ttl)
		}
	}
	if _, err := Open(t.Context(), "command", Environment()); err == nil {
		t.Error("a function without configuration was opened")
	}
}
