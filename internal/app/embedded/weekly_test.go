package embedded

import (
	"testing"
	"time"
)

func TestMaintenanceIsDueOnceAWeekAtNight(t *testing.T) {
	t.Parallel()
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.Local) }
	for name, test := range map[string]struct {
		last, now time.Time
		want      bool
	}{
		"never done, by day":                  {time.Time{}, at(2, 12, 0), false},
		"never done, at night":                {time.Time{}, at(2, 3, 10), true},
		"done this night":                     {at(2, 3, 12), at(2, 3, 20), false},
		"six days later":                      {at(2, 3, 12), at(8, 3, 0), false},
		"a week later, a little earlier":      {at(2, 3, 50), at(9, 3, 0), true},
		"a week later, by day":                {at(2, 3, 12), at(9, 14, 0), false},
		"weeks later, after it was shut down": {at(2, 3, 12), at(28, 3, 59), true},
	} {
		if got := maintenanceDue(test.last, test.now); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestWhenMaintenanceWasDoneIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if last, err := lastMaintenance(dir); err != nil || !last.IsZero() {
		t.Errorf("before the first: %s, %v", last, err)
	}
	now := time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)
	if err := noteMaintenance(dir, now); err != nil {
		t.Fatal(err)
	}
	if last, err := lastMaintenance(dir); err != nil || !last.Equal(now) {
		t.Errorf("%s, %v", last, err)
	}
}
