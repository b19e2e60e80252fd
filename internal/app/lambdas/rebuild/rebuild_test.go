package rebuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/observe"
)

func TestATaskRunsUnderTheIDOfItsRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ task, want string }{
		"the first one":     {`{"step":"Prepare","runId":"r1","request":{"projection":"orders"}}`, "r1"},
		"a later one":       {`{"step":"Plan","run":{"runId":"r2","projection":"orders"}}`, "r2"},
		"one without a run": {`{"step":"Plan"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var task rebuild.Task
			if err := json.Unmarshal([]byte(test.task), &task); err != nil {
				t.Fatal(err)
			}
			var lines bytes.Buffer
			failure := rebuild.Failed{}
			do := func(ctx context.Context, got rebuild.Task) (any, error) {
				observe.Logger(ctx).Info().Msg("reproject:" + string(got.Step))
				if id := observe.CorrelationID(ctx); id != test.want {
					t.Errorf("runs under %q, want %q", id, test.want)
				}
				return "done", failure
			}
			answer, err := Handle(do, observe.NewLogger(&lines, zerolog.InfoLevel, "reproject"))(t.Context(), task)
			if answer != "done" || !errors.As(err, &failure) {
				t.Errorf("%v %v", answer, err)
			}
			if log := lines.String(); test.want != "" && !strings.Contains(log, `"correlationId":"`+test.want+`"`) || !strings.Contains(log, `"cold_start":true`) {
				t.Errorf("log %s", log)
			}
		})
	}
}
