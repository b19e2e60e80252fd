package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/operate/health"
)

func TestLostMarkerIsReportedAndRestored(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	place(t, f, 2)
	settled(t, f)
	before, err := os.ReadFile(filepath.Join(f.Dir, markerFile))
	if err == nil {
		err = os.Remove(filepath.Join(f.Dir, markerFile))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := partOf(t, f, health.PartEventStore); got.Status != health.Failing || !strings.Contains(got.Detail, markerFile) {
		t.Errorf("health: %+v", got)
	}
	without(t, f)
	f = openFolderAt(t, f.Dir)
	if after, err := os.ReadFile(filepath.Join(f.Dir, markerFile)); err != nil || string(after) != string(before) {
		t.Errorf("it is %q, was %q: %v", after, before, err)
	}
	if got := partOf(t, f, health.PartEventStore); got.Status != health.OK {
		t.Errorf("health afterwards: %+v", got)
	}
}

func TestMarkerIsNotRestoredFromDisagreeingParts(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"events.db", "control.db", "log.db", "log"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			f := withPartOfAnother(t, part)
			if err := os.Remove(filepath.Join(f.Dir, markerFile)); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenFolder(t.Context(), f.Dir); err == nil || !strings.Contains(err.Error(), markerFile) {
				t.Errorf("opening: %v", err)
			}
		})
	}
}
