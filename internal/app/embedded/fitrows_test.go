package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/engine/verify"
	"gakushoku/internal/operate/health"
)

func TestOlderTableIsDetectedAndFixed(t *testing.T) {
	t.Parallel()
	f := aged(t, "readmodels")
	if err := f.CheckRows(t.Context()); !errors.Is(err, ErrRowsBehind) {
		t.Errorf("check: %v", err)
	}
	if got := partOf(t, f, health.PartReadModel); got.Status != health.Failing || !strings.Contains(got.Detail, "older copy") {
		t.Errorf("health: %+v", got)
	}
	if status, err := f.Versions(t.Context()); err != nil || !strings.Contains(status.Misfit, "older copy") {
		t.Errorf("status: %+v, %v", status, err)
	}
	for _, name := range ofOrders {
		if v, err := f.Models.Verify(t.Context(), name, 0, verify.Options{Fix: true}); err != nil || !v.Sound {
			t.Errorf("fixing: %+v, %v", v, err)
		}
	}
	if got := partOf(t, f, health.PartReadModel); got.Status != health.OK {
		t.Errorf("health afterwards: %+v", got)
	}
}

func TestNewerTableIsDetected(t *testing.T) {
	t.Parallel()
	f := aged(t, "events.db", "control.db", "log.db", "log")
	if err := f.CheckRows(t.Context()); !errors.Is(err, ErrRowsAhead) {
		t.Errorf("check: %v", err)
	}
	if got := partOf(t, f, health.PartReadModel); got.Status != health.Failing || !strings.Contains(got.Detail, "rebuild") {
		t.Errorf("health: %+v", got)
	}
	if status, err := f.Versions(t.Context()); err != nil || !strings.Contains(status.Misfit, "newer than all else") {
		t.Errorf("status: %+v, %v", status, err)
	}
}

func TestMissingSegmentIsCounted(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	for range 3 {
		place(t, f, 1)
		settled(t, f)
	}
	second, err := f.Ledger.Manifests(t.Context(), 1, 1)
	if err == nil {
		err = os.Remove(filepath.Join(logFolder(f.Dir), second[0].Key))
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err := f.LogCheck.Status(t.Context()); err != nil || s.Lost != 1 {
		t.Errorf("status: %+v, %v", s, err)
	}
	if s, err := f.LogCheck.Stats(t.Context(), true); err != nil || s.Lost != 1 {
		t.Errorf("stats: %+v, %v", s, err)
	}
}
