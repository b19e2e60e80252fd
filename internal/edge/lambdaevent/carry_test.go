package lambdaevent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/inmemory"
	"gakushoku/internal/rehearse/loans"
)

func TestAnInvocationCarriesOutWhatIsDueAndSaysWhat(t *testing.T) {
	t.Parallel()
	l := inmemory.NewOf(t, model.Projections{loans.Chasing().Projection})
	var down error
	w := &process.Worker{
		Ports: process.Ports{
			Revisions: []model.Process{loans.Chasing()}, Tables: l.Tables, Streams: l.Events, Now: l.Now,
			Pointers: &projection.CachedPointers{Source: l.Control, Now: l.Now},
		},
		Performer: &loans.Librarian{
			Commands: &command.Handler{Streams: l.Events, Now: l.Now, NewID: l.NewID}, Send: func(string, string) error { return down },
		},
	}
	var out bytes.Buffer
	handle := lambdaevent.CarryOut(observe.NewLogger(&out, zerolog.InfoLevel, "process"), w)
	in := `{"source":"aws.events"}`
	invoke := func(want process.Ran) {
		t.Helper()
		got, err := handle(t.Context(), json.RawMessage(in))
		if diff := cmp.Diff(lambdaevent.Carried{"chasing": want}, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	l.AppendTo("loan-l1", loans.Taken{LoanID: "l1", Book: "こころ"})
	l.MustProject()
	invoke(process.Ran{})
	l.Wait(14 * 24 * time.Hour)
	invoke(process.Ran{Rows: 1, Steps: 1})
	l.MustProject()
	l.Wait(14 * 24 * time.Hour)
	down = errors.New("the post is on strike")
	invoke(process.Ran{Rows: 1, Failed: 1}) // which is no failure of the function
	in, w.Grace = string(lambdaevent.Woken), time.Millisecond
	invoke(process.Ran{})
	if lines := out.String(); strings.Count(lines, "process:run") != 4 || !strings.Contains(lines, "process:step:failed") {
		t.Errorf("logged:\n%s", lines)
	}
}
