package rebuild_test

import (
	"fmt"
	"slices"
	"testing"

	"gakushoku/internal/engine/rebuild"
)

func TestPartsOfARunAreToldFromItsResults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("o", 60)
	seen := map[rebuild.Step][]string{} // what is known when a step begins
	w.engine.Progress = func(p rebuild.Progress) {
		if p.Part != "" {
			return
		}
		for _, step := range []rebuild.Step{rebuild.StepReplay, rebuild.StepVerifyParts} {
			parts, err := w.engine.PartsOf(t.Context(), orders, "r1", step)
			if err != nil {
				t.Error(err)
			}
			done, total := 0, int64(0)
			for _, part := range parts {
				total += part.Total
				if part.Done == part.Total {
					done++
				}
			}
			seen[step] = append(seen[step], fmt.Sprintf("%s %d/%d of %d", p.Step, done, len(parts), total))
		}
	}
	w.engine.Settings.VerifyParts = 4
	run, err := w.driver().Run(t.Context(), "r1", request())
	if err != nil {
		t.Fatal(err)
	}
	parts := run.Plan.Parts
	for step, want := range map[rebuild.Step][]string{
		"Replay":      {"Plan 0/0 of 0", fmt.Sprintf("Replay 0/%d of 90", parts), fmt.Sprintf("Collect %d/%d of 90", parts, parts)},
		"VerifyParts": {"VerifyParts 0/0 of 0", "Verify 4/4 of 4"},
	} {
		for _, line := range want {
			if !slices.Contains(seen[step], line) {
				t.Errorf("%s: no %q in %q", step, line, seen[step])
			}
		}
	}
}
