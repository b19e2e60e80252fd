package backups

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

var tokyo = time.FixedZone("Asia/Tokyo", 9*60*60)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestAScheduleIsInItsTimeZone(t *testing.T) {
	t.Parallel()
	s, err := ParseSchedule("0 2 * * *", tokyo)
	if err != nil {
		t.Fatal(err)
	}
	if next := s.Next(at(t, "2026-01-24T16:59:59Z")); !next.Equal(at(t, "2026-01-25T02:00:00+09:00")) {
		t.Error(next)
	}
	for _, text := range []string{"", "x", "61 2 * * *", "0 2 31 2 *", "@every 1s"} {
		if _, err := ParseSchedule(text, tokyo); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// What is due is done once, after a failure again, and what was missed at once.
func TestJobsAreDoneWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	schedule, err := ParseSchedule("0 2 * * *", tokyo)
	if err != nil {
		t.Fatal(err)
	}
	control := memory.NewControl()
	now := at(t, "2026-01-24T12:00:00+09:00")
	type outcome struct{ Done, Late bool }
	var got outcome
	var fails error
	rounds := &Rounds{Checkpoints: control, Now: func() time.Time { return now }}
	job := Job{
		Part: "backup", Schedule: schedule, Bound: BackupBound,
		Do:   func(context.Context) (uint64, map[string]any, error) { got.Done = true; return 7, nil, fails },
		Late: func(_ context.Context, _ *observe.Metrics, late bool) { got.Late = late },
	}
	for _, step := range []struct {
		at    string
		fails error
		want  outcome
	}{
		{"2026-01-24T12:00:00+09:00", nil, outcome{true, false}}, // the first is due at once
		{"2026-01-24T23:00:00+09:00", nil, outcome{false, false}},
		{"2026-01-25T02:00:00+09:00", nil, outcome{true, false}},
		{"2026-01-26T02:00:00+09:00", errors.New("full"), outcome{true, false}},
		{"2026-01-26T04:01:00+09:00", errors.New("full"), outcome{true, true}},
		{"2026-01-26T05:00:00+09:00", nil, outcome{true, false}},
		{"2026-01-29T05:00:00+09:00", nil, outcome{true, false}}, // it was down
	} {
		now, fails, got = at(t, step.at), step.fails, outcome{}
		if err := rounds.Once(t.Context(), &job); !errors.Is(err, step.fails) {
			t.Errorf("%s: %v", step.at, err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.at, diff)
		}
	}
	noted, err := control.Checkpoint(t.Context(), "backup")
	if err != nil || noted.Events != 7 || noted.Cursor != "" {
		t.Errorf("%+v %v", noted, err)
	}
}

func TestAFailedRestoreCountsAtOnce(t *testing.T) {
	t.Parallel()
	schedule, err := ParseSchedule("0 3 * * 0", tokyo)
	if err != nil {
		t.Fatal(err)
	}
	now, late := at(t, "2026-01-24T12:00:00+09:00"), false
	var fails error
	rounds := &Rounds{Checkpoints: memory.NewControl(), Now: func() time.Time { return now }}
	job := Job{
		Part: "restore", Schedule: schedule, Bound: RestoreBound, FailsAtOnce: true,
		Do:   func(context.Context) (uint64, map[string]any, error) { return 7, nil, fails },
		Late: func(_ context.Context, _ *observe.Metrics, is bool) { late = is },
	}
	if err := rounds.Once(t.Context(), &job); err != nil || late {
		t.Error(err, late)
	}
	now, fails = now.Add(7*24*time.Hour), errors.New("damaged")
	if err := rounds.Once(t.Context(), &job); err == nil || !late {
		t.Error(err, late)
	}
}
