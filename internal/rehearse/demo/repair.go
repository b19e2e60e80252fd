package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
)

// checks bounds how often a verification is repeated when live delivery is far behind on a busy machine: a
// row that is behind is not wrong.
const checks = 5

// check verifies the version that readers see, while the guests go on.
func (s *story) check(ctx context.Context) (found verify.Verified, err error) {
	err = s.withFolder(ctx, func(f *embedded.Folder) error {
		for range checks {
			found, err = f.Models.Verify(ctx, readmodel.OrdersName, 0, verify.Options{})
			if err != nil || found.Counts[verify.Stale]+found.Counts[verify.Missing] == 0 {
				return err
			}
		}
		return nil
	})
	return found, err
}

// damaged checks that only the lunch's rows are wrong, and only in their content.
func (s *story) damaged(v *verify.Verified) error {
	if v.Sound || v.Counts[verify.Different] != len(s.lunch) || v.Found() != len(s.lunch) {
		return fmt.Errorf("verify found %v, not %d different rows", v.Counts, len(s.lunch))
	}
	return nil
}

// verify shows what is wrong, row by row and field by field.
func (s *story) verify(ctx context.Context) error {
	s.typed("projection verify %s", readmodel.OrdersName)
	v, err := s.check(ctx)
	if err == nil {
		err = s.damaged(&v)
	}
	if err != nil {
		return err
	}
	s.out.bad("%d of %s rows are different from what their events say, and %d totals with them", v.Found(), grouped(v.Rows), len(v.Totals))
	named := false
	for _, p := range v.Problems {
		if p.Stream != order.Stream(s.victim) {
			continue
		}
		for _, f := range p.Fields {
			named = named || f.Name == "status"
			s.out.log(fmt.Sprintf("%-15s  %-9s  %-13s is %-12s should be %s", p.Stream, p.Class, f.Name, orNothing(f.Row), f.Fold))
		}
	}
	for _, t := range v.Totals {
		s.out.log(fmt.Sprintf("%-15s  %-9s  %-13s is %-12s should be %s", "sales", t.Key[:min(len(t.Key), 10)], t.Field, grouped(t.Stored), grouped(t.Folded)))
	}
	if !named || len(v.Totals) == 0 {
		return fmt.Errorf("verify does not tell that the status of %s is wrong, or that totals are: %+v", s.victim, v)
	}
	return nil
}

func orNothing(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// rebuild builds the read model again beside the live one.
func (s *story) rebuild(ctx context.Context) error {
	s.typed("projection rebuild %s", readmodel.OrdersName)
	before := s.traffic.SoFar()
	var run rebuild.Run
	progress := watchRebuild(s.out, s.traffic)
	err := s.withFolder(ctx, func(f *embedded.Folder) (err error) {
		run, err = f.Rebuild(ctx, rebuild.Request{Projection: readmodel.OrdersName}, operator.RebuildOptions{Progress: progress.note})
		return err
	})
	progress.end()
	if err != nil {
		return err
	}
	s.switched = s.traffic.SoFar()
	s.tellRun(&run)
	switch {
	case run.Replay.Rows < yesterdaysOrders+lunchOrders:
		return fmt.Errorf("%d rows were replayed, there are more orders", run.Replay.Rows)
	case !run.Verify.Sound || run.Verify.Different != 0 || run.Verify.WrongTotals != 0:
		return fmt.Errorf("readers were switched to rows that are wrong: %+v", *run.Verify)
	case run.Verify.Old.Changed != int64(len(s.lunch)):
		return fmt.Errorf("%d rows were corrected, not %d", run.Verify.Old.Changed, len(s.lunch))
	case s.switched.Requests() == before.Requests():
		return errors.New("no guest asked for anything meanwhile: nothing is proved")
	}
	s.out.good("meanwhile the guests sent %d requests: %d failed, %d stale answers", s.switched.Requests()-before.Requests(), s.switched.Failed, s.switched.Stale)
	return nil
}

// tellRun shows what each step of a run did and how long it took.
func (s *story) tellRun(run *rebuild.Run) {
	took := func(steps ...string) (sum time.Duration) {
		for _, step := range steps {
			sum += time.Duration((*run.Took)[rebuild.Step(step)]) * time.Millisecond
		}
		return sum
	}
	from, to, old := run.FromVersion, run.ToVersion, run.Verify.Old
	for _, line := range []struct {
		step string
		took time.Duration
		text string
	}{
		{"prepare", took("Prepare"), fmt.Sprintf("orders-v%d is made beside orders-v%d", to, from)},
		{"plan", took("Plan"), fmt.Sprintf("%s events of the log, %d parts", grouped(run.Plan.Events), run.Plan.Parts)},
		{"replay", took("Replay", "Collect"), fmt.Sprintf("%s events folded into %s rows", grouped(run.Replay.Applied), grouped(run.Replay.Rows))},
		{"join", took("Join", "JoinWait"), "new events go to both; wait until every projector knows both"},
		{"catch up", took("CatchUp"), fmt.Sprintf("%s events came meanwhile", grouped(run.CatchUp.Events))},
		{"verify", took("StartVerify", "VerifyParts", "Verify"), fmt.Sprintf("%s rows folded again from the event store: %d differ", grouped(run.Verify.Rows), run.Verify.Different)},
		{"", -1, fmt.Sprintf("v%d against v%d: %d corrected, %s the same, %d just being written", from, to, old.Changed, grouped(old.Same), old.Moving+old.OnlyOld+old.OnlyNew)},
		{"switch", took("Switch"), fmt.Sprintf("readers see v%d; v%d is written too, for going back", to, from)},
	} {
		duration := ""
		if line.took >= 0 {
			duration = short(line.took)
		}
		s.out.say("%-9s %7s   %s", line.step, duration, line.text)
	}
}

// proof checks every order of the lunch, and all rows and totals.
func (s *story) proof(ctx context.Context) error {
	if err := s.client.Shown(ctx, s.victim, readmodel.StatusPaid); err != nil {
		return err
	}
	paid, err := s.client.List(ctx, readmodel.StatusPaid)
	if err != nil {
		return err
	}
	for _, id := range s.lunch {
		if _, listed := paid[id]; !listed {
			return fmt.Errorf("order %s is not listed among the paid ones", id)
		}
	}
	v, err := s.check(ctx)
	if err != nil {
		return err
	}
	if !v.Sound || v.Found() > 0 {
		return fmt.Errorf("verify found %v and wrong totals %v after the rebuild", v.Counts, v.Totals)
	}
	s.out.good(asked, "GET /orders/"+s.victim, "says "+readmodel.StatusPaid)
	s.out.good(asked, "GET /orders?status="+readmodel.StatusPaid, fmt.Sprintf("lists all %d orders of the lunch", len(s.lunch)))
	s.out.good(asked, "projection verify "+readmodel.OrdersName, fmt.Sprintf("%s rows and %d totals are what the events say", grouped(v.Rows), v.Checked))
	return nil
}
