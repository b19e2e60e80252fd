package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/projection"
)

func TestRebuildReplacesTheVersionAndRollbackGoesBack(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	contains(t, ok(t, "projection", "status", "-d", dir), "2 events, 0 applied: 2 events waiting", "orders", "active")
	contains(t, ok(t, "projection", "rebuild", "orders", "-d", dir), "orders: 2 events, 1 row in orders-v2, which replaces version 1, in ",
		"verified 1 row and 2 events: sound, 0 brought in late, 0 parked", "against version 1: 0 same, 0 changed, 0 only old, 1 only new", "orders-v1 is kept and still written")
	call(t, "projection", "rollback", "orders", "-d", dir).wants(t, exitFailed, "orders-v1 lacks 1 rows that orders-v2 has", "--force")
	call(t, "projection", "rollback", "orders", "--force", "-d", dir).wants(t, exitDone, "warning: orders-v1 lacks 1 rows", "readers see orders-v1")
	contains(t, ok(t, "projection", "rollback", "orders", "-d", dir), "readers see orders-v2")
	list := ok(t, "projection", "list", "-d", dir)
	if versions := states(list); versions["1"] != "previous" || versions["2"] != "active" {
		t.Errorf("the list is\n%s", list)
	}
	contains(t, ok(t, "projection", "cleanup", "orders", "-d", dir), "dropped orders-v1")
	contains(t, ok(t, "projection", "cleanup", "orders", "-d", dir), "orders has nothing to drop")
	call(t, "projection", "rollback", "orders", "-d", dir).wants(t, exitFailed, "no previous version to go back to")
	contains(t, ok(t, "projection", "rebuild", "--all", "-d", dir, "--json"), `"toVersion": 3`, `"sound": true`, `"same": 1`)
	asJSON := ok(t, "projection", "list", "-d", dir, "--json")
	contains(t, asJSON, `"number": 3`, `"state": "active"`)
	if strings.Contains(asJSON, `"rows"`) || strings.Contains(asJSON, `"parked"`) {
		t.Errorf("the list tells numbers that it has not counted: %s", asJSON)
	}
	contains(t, ok(t, "projection", "status", "-d", dir, "--json"), `"rows": 1`, `"parked": 0`)
}

// What a rebuild has brought in is up to date without a server.
func TestStatusKnowsWhatARebuildHasBroughtIn(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	ok(t, "projection", "rebuild", "--all", "-d", dir)
	contains(t, ok(t, "projection", "status", "-d", dir), "2 events, all in the read models by a rebuild: up to date; a server that starts goes over those from 1 on once more")
	ok(t, "events", "import", put(t, "more.jsonl", strings.ReplaceAll(strings.ReplaceAll(seed, `:"e`, `:"f`), `"o1"`, `"o2"`)), "-d", dir)
	contains(t, ok(t, "projection", "status", "-d", dir), "4 events, 2 applied: 2 events waiting")
	ok(t, "projection", "rebuild", "orders", "--stream", "o1", "-d", dir) // it brings the log up to date
	contains(t, ok(t, "projection", "status", "-d", dir), "4 events, 2 applied: 2 events waiting")
	ok(t, "projection", "rollback", "orders", "-d", dir)
	contains(t, ok(t, "projection", "status", "-d", dir), "4 events, 0 applied: 4 events waiting")
}

// states are the states of the versions in a list.
func states(list string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "orders" {
			found[fields[1]] = fields[2]
		}
	}
	return found
}

func TestSoakDropsTheOldVersion(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	contains(t, ok(t, "projection", "rebuild", "orders", "--soak", "1ms", "-d", dir), "dropped orders-v1")
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 1 || versions["2"] != "active" {
		t.Errorf("left: %v", versions)
	}
}

// A soak is shown, and blocks no other command.
func TestASoakIsSeenAndLetsOthersWork(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	soaking := func() *running {
		r := start(t, "projection", "rebuild", "orders", "--soak", "24h", "-d", dir)
		r.eventually(t, r.err, "reproject:switch")
		for !strings.Contains(ok(t, "projection", "list", "--json", "-d", dir), `"step": "Switch"`) {
			time.Sleep(time.Millisecond)
		}
		return r
	}
	run := soaking()
	contains(t, ok(t, "projection", "status", "-d", dir), "has switched: readers are on orders-v2, soaking until ", `"projection cleanup orders" drops the version before`)
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "switched, soaking until ")
	call(t, "projection", "abandon", "orders", "-d", dir).wants(t, exitFailed, "has switched readers to orders-v2, and only soaks", "projection cleanup orders")
	call(t, "projection", "approve", "orders", "-d", dir).wants(t, exitFailed, "has switched readers already")
	ok(t, "projection", "rebuild", "orders", "--stream", "o1", "-d", dir)
	ok(t, "projection", "rollback", "orders", "-d", dir)
	contains(t, ok(t, "projection", "status", "-d", dir), "was rolled back: readers are no more on orders-v2, soaking until ", "it drops nothing")
	ok(t, "projection", "rollback", "orders", "-d", dir)
	contains(t, ok(t, "projection", "cleanup", "orders", "-d", dir), "dropped orders-v1")
	if code := <-run.ended; code != exitDone {
		t.Errorf("exit %d: %s", code, run.err.String())
	}
	contains(t, ok(t, "projection", "runs", "orders", "-d", dir), "Cleanup", "done")

	run = soaking()
	run.stop()
	if code := <-run.ended; code != exitFailed {
		t.Errorf("exit %d", code)
	}
	contains(t, run.err.String(), "stopped in the soak of run", "readers are on orders-v3, and the version before is kept", "--resume last")
	contains(t, ok(t, "projection", "runs", "orders", "-n1", "-d", dir), "switched, cut off in Soak")
}

func TestRebuildShowsAPersonEachStep(t *testing.T) {
	t.Parallel()
	got := callWith(t, "", true, "projection", "rebuild", "orders", "-d", seeded(t))
	got.wants(t, exitDone, "Plan", "Replay", "VerifyParts", "Switch", "done")
	if strings.Contains(got.err, "reproject:") {
		t.Errorf("log lines on a terminal: %s", got.err)
	}
	plain := call(t, "projection", "rebuild", "orders", "-d", seeded(t))
	plain.wants(t, exitDone, `"message":"reproject:plan"`, `"message":"reproject:switch"`)
	if strings.Contains(plain.err, "\x1b") {
		t.Errorf("control characters without a terminal: %q", plain.err)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	contains(t, ok(t, "projection", "rebuild", "orders", "--dry-run", "-d", dir), "nothing was written", "events   4 in 1 segment", "rows     2", "parked   1",
		"order-bad at version 2 (event p2): order bad was placed before", "write units", "USD", "here     about")
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 1 || versions["1"] != "active" {
		t.Errorf("versions: %v", versions)
	}
}

func TestAPoisonEventStopsARebuildUnlessAllowed(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	call(t, "projection", "rebuild", "orders", "-d", dir).wants(t, exitFailed, "1 streams cannot be folded to their end, 0 are allowed", "order bad was placed before")
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 1 || versions["1"] != "active" {
		t.Errorf("a rebuild that failed has left %v", versions)
	}
	contains(t, ok(t, "projection", "rebuild", "orders", "--allow-parked", "1", "-d", dir), "1 parked")
}

func TestPartialRepairs(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	wrong := func() { t.Helper(); damage(t, dir, "order-o1", unpaid) }
	repaired := func() {
		t.Helper()
		contains(t, ok(t, "explain", "orders", "o1", "-d", dir), `"status":"PAID"`, "It is what the events say.")
	}
	wrong()
	contains(t, ok(t, "projection", "rebuild", "orders", "--stream", "o1", "-d", dir), "orders: 1 stream folded again in orders-v1, 0 of them parked")
	repaired()
	wrong()
	contains(t, ok(t, "projection", "rebuild", "orders", "--from-event-number", "2", "-d", dir), "2 streams folded again in orders-v1, 1 of them parked")
	repaired()
	wrong()
	contains(t, ok(t, "projection", "rebuild", "orders", "--from-inconsistency", "-d", dir), "order-o1", "different, fixed", "sound now")
	repaired()
	damage(t, dir, "order-o1", func(r *projection.Record) { *r = projection.Record{Stream: r.Stream, Writes: r.Writes} })
	for _, which := range [][]string{{"--stream", "o1"}, {"--from-event-number", "1"}, {"--stream", "o1", "--json"}} {
		call(t, append([]string{"projection", "rebuild", "orders", "-d", dir}, which...)...).wants(t, exitFailed, "1 row missing, and not made: totals have their share still")
	}
	call(t, "projection", "rebuild", "orders", "--from-event-number", "99", "-d", dir).wants(t, exitFailed, "the log ends at 4")
	call(t, "projection", "rebuild", "orders", "--stream", "nobody", "-d", dir).wants(t, exitUsage, "stream order-nobody: there are no events")
}

func TestAVersionThatWasFoundWrongIsNeitherGoneBackToNorCleanedUpFor(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	ok(t, "projection", "heal", "orders", "--stream", "o1", "-d", dir)
	ok(t, "projection", "rebuild", "orders", "-d", dir)
	wrong := func(r *projection.Record) { r.Data = bytes.Replace(r.Data, []byte("780"), []byte("100"), 1) }
	damageIn(t, dir, 1, "order-o1", wrong)
	call(t, "projection", "verify", "orders", "--version", "1", "-d", dir).wants(t, exitFailed, "1 different")
	call(t, "projection", "rollback", "orders", "-d", dir).wants(t, exitFailed, "the last verification of orders-v1", "1 rows and totals wrong", "--force")
	call(t, "projection", "rollback", "orders", "--force", "-d", dir).wants(t, exitDone, "warning: the last verification of orders-v1", "readers see orders-v1")
	call(t, "projection", "cleanup", "orders", "-d", dir).wants(t, exitFailed, "nothing of orders is dropped", "the last verification of orders-v1")
	contains(t, ok(t, "projection", "rollback", "orders", "-d", dir), "readers see orders-v2")
	contains(t, ok(t, "projection", "cleanup", "orders", "-d", dir), "dropped orders-v1")
}

func TestUntilShowsAPastMoment(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	contains(t, ok(t, "projection", "rebuild", "orders", "--until", "2026-01-24T00:00:00Z", "-d", dir), "orders: 2 rows in orders-v2, as of 2026-01-24T00:00:00.000Z", "readers are not switched to it")
	explained := ok(t, "explain", "orders", "o1", "-d", dir)
	contains(t, explained, "orders-v2: scratch", `"status":"ORDERED"`, "It is scratch and not kept up to date.", `"status":"PAID"`)
	call(t, "projection", "verify", "orders", "--version", "2", "-d", dir).wants(t, exitUsage, "orders-v2 is scratch")
	contains(t, ok(t, "projection", "rebuild", "orders", "--until", "2026-01-24T00:00:00Z", "-d", dir), "2 rows in orders-v3", "orders-v2, which showed a moment before, is dropped for it")
	for _, first := range []string{"1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"} {
		contains(t, ok(t, "projection", "rebuild", "orders", "--until", first, "-d", dir), "orders: 0 rows", "as of "+first[:10], "readers are not switched to it")
	}
	contains(t, ok(t, "projection", "cleanup", "orders", "-d", dir), "dropped orders-v5")
}

func TestARebuildWaitsForApproval(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	call(t, "projection", "approve", "orders", "-d", dir).wants(t, exitFailed, "no run is going on for orders")
	waiting := func() *running {
		r := start(t, "projection", "rebuild", "orders", "--approve", "-d", dir)
		r.eventually(t, r.err, "reproject:approve")
		return r
	}
	run := waiting()
	contains(t, ok(t, "projection", "approve", "orders", "--show", "--wait", "-d", dir), "verified 1 row and 2 events: sound")
	contains(t, ok(t, "projection", "status", "-d", dir), "builds orders-v2: in Approve, 2 events to replay in 1 part, 1 row, 0 parked, verified", "building, written live")
	call(t, "projection", "cleanup", "orders", "-d", dir).wants(t, exitFailed, "another rebuild of orders is going on", "waits for approval: gakushoku projection approve orders")
	call(t, "projection", "rebuild", "orders", "-d", dir).wants(t, exitFailed, "refused: another rebuild of orders is going on", "wait for it, or stop it first")
	contains(t, ok(t, "projection", "approve", "orders", "-d", dir), "is approved")
	if code := <-run.ended; code != exitDone {
		t.Fatalf("exit %d: %s", code, run.err.String())
	}
	contains(t, run.out.String(), "orders-v2, which replaces version 1")

	run = waiting()
	contains(t, ok(t, "projection", "approve", "orders", "--reject", "not today", "-d", dir, "--json"), `"asked`)
	if code := <-run.ended; code != exitFailed || !strings.Contains(run.err.String(), "the switch was not approved: not today") {
		t.Errorf("exit %d: %s", code, run.err.String())
	}

	run = waiting()
	run.stop()
	if code := <-run.ended; code != exitFailed || !strings.Contains(run.err.String(), "interrupted") {
		t.Errorf("exit %d: %s", code, run.err.String())
	}
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 2 || versions["2"] != "active" {
		t.Errorf("versions: %v", versions)
	}
}

func TestRunsListOutcomes(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	if out := ok(t, "projection", "runs", "orders", "--json", "-d", dir); out != "" {
		t.Errorf("runs before there was one: %s", out)
	}
	call(t, "projection", "rebuild", "orders", "-d", dir).wants(t, exitFailed)
	ok(t, "projection", "rebuild", "orders", "--allow-parked", "1", "-d", dir)
	ok(t, "projection", "rebuild", "orders", "--stream", "o1", "-d", dir)
	runs := strings.Split(strings.TrimSpace(ok(t, "projection", "runs", "orders", "-d", dir)), "\n")
	if len(runs) != 4 {
		t.Fatalf("%q", runs)
	}
	contains(t, runs[1], "heal", "done")
	contains(t, runs[2], "rebuild", "orders-v3", "Cleanup", "done")
	contains(t, runs[3], "rebuild", "orders-v2", "failed: ", "order bad was placed before")
	contains(t, ok(t, "projection", "runs", "orders", "-n1", "--json", "-d", dir), `"mode":"heal"`, `"ended":true`)
	call(t, "projection", "runs", "orders", "--last=0", "-d", dir).wants(t, exitUsage)
	call(t, "projection", "runs", "meals", "-d", dir).wants(t, exitUsage, "there is no projection")
}

func TestStatusIsWatchedUntilCtrlC(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	for _, flags := range [][]string{nil, {"--json"}} {
		watch := start(t, append([]string{"projection", "status", "--watch", "-d", dir}, flags...)...)
		watch.eventually(t, watch.out, "orders")
		watch.stop()
		if code := <-watch.ended; code != exitDone {
			t.Errorf("exit %d: %s", code, watch.err.String())
		}
	}
}

func TestARebuildThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	for name, args := range map[string][]string{
		"nothing":                 {},
		"one and all":             {"orders", "--all"},
		"one stream of all":       {"--all", "--stream", "o1"},
		"two kinds of repair":     {"orders", "--stream", "o1", "--from-event-number", "1"},
		"a sample that is none":   {"orders", "--sample", "0"},
		"an unknown projection":   {"meals", "--from-inconsistency"},
		"a time that is none":     {"orders", "--until", "soon"},
		"a run that makes no run": {"orders", "--resume", "x", "--until", "1h"},
		"an event before all":     {"orders", "--from-event-number", "0"},
		"a run without a name":    {"orders", "--resume", ""},
		"a stream without a name": {"orders", "--stream", ""},
		"no parts at once":        {"orders", "--max-concurrency", "0"},
		"no projection":           {""},
		"a soak of less than 0":   {"orders", "--soak=-1h"},
		"a dry run of one stream": {"orders", "--dry-run", "--stream", "o1"},
	} {
		got := call(t, append([]string{"projection", "rebuild", "-d", dir}, args...)...)
		if got.code != exitUsage {
			t.Errorf("%s: exit %d: %s", name, got.code, got.err)
		}
	}
	if versions := states(ok(t, "projection", "list", "-d", dir)); len(versions) != 1 {
		t.Errorf("versions: %v", versions)
	}
	for _, command := range [][]string{{"runs"}, {"cleanup"}, {"rollback"}, {"abandon"}, {"approve"}, {"rebuild"}, {"verify"}} {
		call(t, append(append([]string{"projection"}, command...), "meals", "-d", dir)...).wants(t, exitUsage, "there is no projection")
	}
	call(t, "projection", "rebuild", "orders", "--resume", "nothing", "-d", dir).wants(t, exitFailed, "there is no run nothing of orders")
	call(t, "projection", "rebuild", "orders", "--until", "2026-01-24T00:00:00Z", "--approve", "-d", dir).wants(t, exitUsage, "nobody is switched to a past moment")
}

// TestVerifyAfterDamageAndRebuild is the whole way from a complaint to sound totals.
func TestRebuildFixesWrongTotals(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	ok(t, "projection", "rebuild", "orders", "-d", dir)
	ok(t, "projection", "cleanup", "orders", "-d", dir)
	damageIn(t, dir, 2, "order-o1", func(r *projection.Record) { r.Data = bytes.Replace(r.Data, []byte("780"), []byte("9780"), 1) })
	call(t, "projection", "verify", "orders", "--fix", "-d", dir).wants(t, exitFailed, "different, fixed", "Only a rebuild puts wrong totals right")
	contains(t, ok(t, "projection", "rebuild", "orders", "-d", dir), "sound", "1 same, 0 changed")
	contains(t, ok(t, "projection", "verify", "orders", "-d", dir), "It is sound.")
}

func TestRebuildReportsChanges(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	damage(t, dir, "order-o1", unpaid)
	contains(t, ok(t, "projection", "rebuild", "orders", "--allow-parked", "1", "-d", dir), "against version 1: 1 same, 1 changed", `order-o1: status "ORDERED" is now "PAID"`)
}
