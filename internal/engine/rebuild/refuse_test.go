package rebuild_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/store/memory"
)

func TestRequestsThatMakeNoSenseAreRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		``:                                      "the input is not as it should be",
		`[]`:                                    "the input is not as it should be",
		`{"projection":"orders","untill":1}`:    `unknown field "untill"`,
		`{"Projection":"orders","dryRun":true}`: `unknown field "Projection": write "projection"`,
		`{"projection":"orders","DRYRUN":true}`: `write "dryRun"`,
		`{"projection":"orders","dryRun":true,"dryRun":false}`:      `"dryRun" comes twice`,
		`{"projection":"orders","dry\u0052un":true,"dryRun":false}`: `"dryRun" comes twice`,
		`{"projection":"orders"} {"dryRun":true}`:                   "nothing after the value",
		`{"projection":"orders"}x`:                                  "the input is not as it should be",
		`{"projection":"orders"`:                                    "the input is not as it should be",
		`{"projection":"orders",}`:                                  "the input is not as it should be",
		`{projection:"orders"}`:                                     "the input is not as it should be",
		`null`:                                                      "must be a JSON object",
		`"orders"`:                                                  "must be a JSON object",
		`{"projection":["orders"]}`:                                 `"projection" has the wrong type: array`,
		`{"projection":"orders","dryRun":null}`:                     `"dryRun" is null: leave it out`,
		`{"projection":"orders","dryRun":"true"}`:                   `"dryRun" has the wrong type: string`,
		`{"projection":"orders","fromEventNumber":1.5}`:             `"fromEventNumber" has the wrong type: number`,
		`{"projection":"orders","fromEventNumber":-1}`:              `"fromEventNumber" has the wrong type: number`,
		`{"projection":"orders","streams":"order-a000"}`:            `"streams" has the wrong type: string`,
		`{"projection":"orders","streams":["a000"]}`:                `unknown stream a000 of orders: a stream's name begins with "order-", such as order-a000`,
		`{}`:                                                                `"projection" is missing`,
		`{"projection":"menu"}`:                                             `there is no projection "menu": choose one of [orders`,
		`{"projection":"orders","soak":"x"}`:                                `not a time such as 600 (seconds) or "10m"`,
		`{"projection":"orders","soak":-1}`:                                 "soak is -1s",
		`{"projection":"orders","soak":true}`:                               "not a time",
		`{"projection":"orders","fromEventNumber":0}`:                       "numbers of events, from 1",
		`{"projection":"orders","streams":[]}`:                              "name the streams to repair",
		`{"projection":"orders","maxConcurrency":0}`:                        "from 1 to",
		`{"projection":"orders","sample":0}`:                                "leave it out to verify all",
		`{"projection":"orders","untilNumber":0}`:                           "numbers of events, from 1",
		`{"projection":"orders","untilNumber":5,"approve":true}`:            "leave out approve",
		`{"projection":"orders","untilNumber":5,"streams":["order-1"]}`:     "choose one",
		`{"projection":"orders","streams":["order-1"],"fromEventNumber":1}`: "choose one",
		`{"projection":"orders","streams":[""]}`:                            "is not the name of a stream",
		`{"projection":"orders","streams":["order-1"],"dryRun":true}`:       "whole rebuilds",
		`{"projection":"orders","maxConcurrency":-1}`:                       "maxConcurrency",
		`{"projection":"orders","maxConcurrency":5000}`:                     "maxConcurrency",
		`{"projection":"orders","allowParked":-1}`:                          "allowParked",
		`{"projection":"orders","sample":1.5}`:                              "sample",
		`{"projection":"orders","untilNumber":5}`:                           "the log ends at 2",
		`{"projection":"orders","streams":["order-x","order-a000"]}`:        "unknown stream order-x: no event",
	} {
		w := newWorld(t)
		w.lives("a", 1)
		parsed, err := rebuild.ParseRequest([]byte(input))
		if err == nil {
			_, err = w.driver().Run(t.Context(), "r1", parsed)
		}
		// What the log ends at, and which streams there are, may be otherwise tomorrow.
		if always := !strings.Contains(want, "the log ends") && !strings.Contains(want, "no event"); errors.Is(err, rebuild.ErrBadRequest) != always || !errors.Is(err, rebuild.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", input, err, want)
		}
		w.wantStates(map[int]projection.State{1: projection.Active})
	}
}

func TestSecondsAreANumberOrText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{`600`: 10 * time.Minute, `"600"`: 10 * time.Minute, `"90s"`: 90 * time.Second, `0`: 0} {
		var s rebuild.Seconds
		if err := json.Unmarshal([]byte(text), &s); err != nil || time.Duration(s) != want {
			t.Errorf("%s: %v %v", text, time.Duration(s), err)
		}
	}
	if raw, err := json.Marshal(rebuild.Seconds(1500 * time.Millisecond)); err != nil || string(raw) != "2" {
		t.Errorf("%s %v: parts of a second must be rounded up", raw, err)
	}
}

func TestASecondRunIsRefusedWhileOneIsGoingOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 5)
	if _, err := w.engine.Prepare(t.Context(), "r1", request()); err != nil {
		t.Fatal(err)
	}
	w.alive["r1"] = true
	_, err := w.driver().Run(t.Context(), "r2", request())
	if !errors.Is(err, rebuild.ErrRefused) || !strings.Contains(err.Error(), "run r1 of orders is going on") {
		t.Errorf("%v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Building})
	w.alive["r1"] = false
	w.mustRun("r3", request())
	w.wantStates(map[int]projection.State{1: projection.Previous, 3: projection.Active})
}

// An attempt at Prepare that comes after a deployment goes on with the revision that the first
// has put on the pointer: live delivery fills the version with that one.
func TestPrepareRepeatedAfterADeploymentKeepsItsRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 5)
	first := w.must(w.engine.Prepare(t.Context(), "r1", request()))
	newer := readmodel.Orders()
	newer.Revision++
	w.engine.Projections = append(w.engine.Projections, newer)
	again := w.must(w.engine.Prepare(t.Context(), "r1", request()))
	if again.ToVersion != first.ToVersion || again.Revision != first.Revision {
		t.Errorf("first version %d of revision %d, then version %d of revision %d", first.ToVersion, first.Revision, again.ToVersion, again.Revision)
	}
}

func TestPrepareMayBeRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 5)
	first, err := w.engine.Prepare(t.Context(), "r1", request())
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.engine.Prepare(t.Context(), "r1", request())
	if err != nil || first.ToVersion != again.ToVersion {
		t.Errorf("%d then %d, %v", first.ToVersion, again.ToVersion, err)
	}
	if _, err := w.engine.Prepare(t.Context(), "no such/id", request()); !errors.Is(err, rebuild.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestNothingIsRebuiltThatWasNeverSetUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.Pointers = memory.NewControl()
	streams := request()
	streams.Streams = []string{"order-nobody"}
	for _, r := range []rebuild.Request{request(), streams} {
		if _, err := w.engine.Prepare(t.Context(), "r1", r); !errors.Is(err, rebuild.ErrRefused) || !strings.Contains(err.Error(), "never set up") {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestAnEmptyLogMakesAnEmptyTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.mustRun("r1", request())
	if run.Plan.Parts != 0 || len(w.Rows(version(2))) != 0 {
		t.Errorf("%+v", run.Plan)
	}
}

// A driver that says the replay is done, though a part has failed, is not believed.
func TestAPartThatDidNotReportStopsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 30)
	run := w.planned("r1")
	items := w.items(run)
	for _, item := range items[1:] {
		if _, err := w.engine.ReplayPart(t.Context(), run, item); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.engine.Collect(t.Context(), run)
	if !errors.Is(err, rebuild.ErrFailed) || !strings.Contains(err.Error(), "1 of ") || !strings.Contains(err.Error(), items[0].Part) {
		t.Errorf("%v", err)
	}
}

// An attempt at a part that goes on long after it was given up changes nothing, though live
// delivery has written the rows since.
func TestAZombieWorkerDoesNoHarm(t *testing.T) {
	t.Parallel()
	w := serving(t, 40)
	run := w.planned("r1")
	for _, item := range w.items(run) {
		if _, err := w.engine.ReplayPart(t.Context(), run, item); err != nil {
			t.Fatal(err)
		}
	}
	run = w.must(w.engine.Collect(t.Context(), run))
	run = w.must(w.engine.Join(t.Context(), run))
	for i := range 40 {
		w.Append(pad(i), order.Cancelled{OrderID: pad(i)})
	}
	w.MustProject()
	for _, item := range w.items(run) {
		if _, err := w.engine.ReplayPart(t.Context(), run, item); err != nil {
			t.Fatal(err)
		}
	}
	w.wantFolded(version(2))
}

func TestWhatWasNotVerifiedIsNotSwitchedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 4)
	run := w.planned("r1")
	if _, err := w.engine.Switch(t.Context(), run); !errors.Is(err, rebuild.ErrFailed) {
		t.Errorf("%v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Active, 2: projection.Building})
}

// A fold that does not come to the same result each time would differ from live delivery.
// Verification finds it and readers never see it.
func TestARowThatIsNotWhatTheEventsSayStopsTheRun(t *testing.T) {
	t.Parallel()
	w := serving(t, 20)
	w.engine.Tables = damaging{w.Tables}
	_, err := w.driver().Run(t.Context(), "r1", request())
	if !errors.Is(err, rebuild.ErrFailed) || !strings.Contains(err.Error(), "1 rows are not what the events say; order-a004 was replayed wrongly") {
		t.Errorf("%v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
	report, err := w.Blobs.Get(t.Context(), "runs/orders/r1/report.json")
	if err != nil || !strings.Contains(string(report), `"order-a004"`) {
		t.Errorf("%s %v", report, err)
	}
	if abandoned, err := w.Blobs.Get(t.Context(), "runs/orders/r1/abandoned.json"); err != nil || !strings.Contains(string(abandoned), "order-a004 was replayed wrongly") {
		t.Errorf("%s %v", abandoned, err)
	}
}

// damaging writes one row of a bulk replay wrongly.
type damaging struct{ *memory.Tables }

func (d damaging) PutPart(ctx context.Context, t projection.Table, p projection.BulkPart) (int, error) {
	rows := p.Rows
	p.Rows = func(yield func(projection.Record, error) bool) {
		for r, err := range rows {
			if r.Stream == "order-a004" {
				r.Data = []byte(strings.Replace(string(r.Data), "780", "781", 1))
			}
			if !yield(r, err) {
				return
			}
		}
	}
	return d.Tables.PutPart(ctx, t, p)
}

// switchedFirst lets somebody switch before the next change of the pointer.
type switchedFirst struct {
	projection.Pointers
	first func()
}

func (p *switchedFirst) SetPointer(ctx context.Context, pointer projection.Pointer) error {
	if first := p.first; first != nil {
		p.first = nil
		first()
	}
	return p.Pointers.SetPointer(ctx, pointer)
}

// A stopped run whose last task switches readers while the next run takes away what it has
// left is no leftover any more.
func TestAVersionThatIsSwitchedToMeanwhileIsNotTakenAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 4)
	run := w.planned("r1")
	for _, item := range w.items(run) {
		if _, err := w.engine.ReplayPart(t.Context(), run, item); err != nil {
			t.Fatal(err)
		}
	}
	run = w.must(w.engine.Collect(t.Context(), run))
	run = w.must(w.engine.Join(t.Context(), run))
	run.Verify = &rebuild.Verified{Sound: true}
	late := *w.engine
	w.engine.Pointers = &switchedFirst{w.Control, func() { w.must(late.Switch(t.Context(), run)) }}
	next := w.must(w.engine.Prepare(t.Context(), "r2", rebuild.Request{Projection: orders}))
	if next.FromVersion != 2 || next.ToVersion != 3 {
		t.Errorf("the next run goes from version %d to %d, want 2 to 3", next.FromVersion, next.ToVersion)
	}
	w.wantStates(map[int]projection.State{1: projection.Previous, 2: projection.Active, 3: projection.Building})
	w.MustProject()
	w.wantFolded(version(2))
}

func TestALogWhoseLedgerWasLostIsNotRebuiltFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 5)
	if err := w.Archive(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.engine.Log = &eventlog.Reader{Ledger: memory.NewLedger(), Blobs: w.Blobs}
	_, err := w.driver().Run(t.Context(), "r1", request())
	if !errors.Is(err, eventlog.ErrLedgerBehind) || !strings.Contains(err.Error(), "restore-manifests") {
		t.Errorf("%v", err)
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
}

func TestANewVersionNeverTakesTheTableOfAnother(t *testing.T) {
	t.Parallel()
	w := serving(t, 3)
	left := version(2) // which the pointer does not know any more: an older copy was put in its place
	if err := w.Tables.Create(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	wrong := projection.Change{Record: projection.Record{Stream: "order-gone", Version: 1, Data: []byte("{}")}}
	if _, err := w.Tables.Write(t.Context(), left, []projection.Change{wrong}); err != nil {
		t.Fatal(err)
	}
	run := w.mustRun("r1", request())
	if run.ToVersion != 3 {
		t.Errorf("the run has made version %d", run.ToVersion)
	}
	w.wantFolded(version(3))
	if _, err := w.Tables.Totals(t.Context(), left); !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("the table that nobody knows is still there: %v", err)
	}
}
