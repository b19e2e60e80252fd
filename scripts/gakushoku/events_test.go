package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gakushoku/internal/store/sqlite"
)

func TestImportIsSafeToRepeatAndExportsWhatItTook(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	file := put(t, "seed.jsonl", seed)
	contains(t, ok(t, "events", "import", file, "-d", dir), "2 events of 1 stream: 2 imported, 0 already there, 0 bad")
	contains(t, ok(t, "events", "import", file, "-d", dir), "0 imported, 2 already there")
	callWith(t, seed, false, "events", "import", "-", "-d", dir, "--json").wants(t, exitDone, `"alreadyThere": 2`)
	exported := ok(t, "events", "export", "-d", dir)
	if lines := strings.Count(exported, "\n"); lines != 2 {
		t.Errorf("%d lines exported", lines)
	}
	again := filepath.Join(t.TempDir(), "again")
	callWith(t, exported, false, "events", "import", "-", "-d", again).wants(t, exitDone, "standard input: 2 events")
	if twice := ok(t, "events", "export", "-d", again); twice != exported {
		t.Errorf("differs:\n%s\n%s", exported, twice)
	}
}

func TestImportRefusesAFileWithABadLine(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	file := put(t, "log.jsonl", seed+"not an event\n")
	call(t, "events", "import", file, "-d", dir).wants(t, exitFailed, file+":3: ", "nothing was imported", "--skip-bad")
	call(t, "events", "import", file, "-d", dir, "--json").wants(t, exitFailed, `"line": 3`)
	if out := ok(t, "events", "export", "-d", dir); out != "" {
		t.Errorf("imported: %s", out)
	}
	call(t, "events", "import", file, "-d", dir, "--skip-bad").wants(t, exitDone, "2 imported, 0 already there, 1 bad", file+".bad")
	if bad := read(t, file+".bad"); bad != "not an event\n" {
		t.Errorf("bad lines: %q", bad)
	}
	other := filepath.Join(t.TempDir(), "other.bad")
	callWith(t, "x\n"+seed, false, "events", "import", "-", "-d", dir, "--skip-bad", "--bad-file", other).wants(t, exitDone, "standard input:1: ", other)
	if bad := read(t, other); bad != "x\n" {
		t.Errorf("bad lines: %q", bad)
	}
}

func TestImportAcceptsUnfoldableEventsOnlyWithFlag(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	file := put(t, "log.jsonl", `{"eventId":"e1","type":"OrderPaid","occurredAt":"2026-01-24T00:00:00.000Z","payload":{"orderId":"o1"}}`+"\n")
	call(t, "events", "import", file, "-d", dir).wants(t, exitFailed, file+":1: ", "OrderPaid cannot follow status", "take the 1 event that cannot be folded with --allow-unfoldable")
	call(t, "events", "import", file, "-d", dir, "--allow-unfoldable").wants(t, exitDone, "1 imported", "1 event cannot be folded")
	call(t, "events", "import", file, "-d", dir).wants(t, exitDone, "1 already there")
	call(t, "reproject", "--from", file, "-d", filepath.Join(t.TempDir(), "other")).wants(t, exitDone, "1 stream parked")
}

func TestImportListsOnlySoManyBadLines(t *testing.T) {
	t.Parallel()
	file := put(t, "log.jsonl", strings.Repeat("x\n", 50))
	got := call(t, "events", "import", file, "-d", filepath.Join(t.TempDir(), "data"))
	got.wants(t, exitFailed, "... and 30 more", "50 bad lines")
	if lines := strings.Count(got.err, "\n"); lines != maxTold+2 {
		t.Errorf("%d lines", lines)
	}
}

func TestInterruptedImportSaysHowToContinue(t *testing.T) {
	t.Parallel()
	const events = 60_000
	var in strings.Builder
	for i := range events {
		fmt.Fprintf(&in, `{"eventId":"f%d","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","payload":{"orderId":"f%d","total":500}}`+"\n", i, i)
	}
	file, dir := put(t, "orders.jsonl", in.String()), seeded(t)
	store, err := sqlite.OpenEvents(t.Context(), filepath.Join(dir, "events.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	seeded, err := store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	importing := start(t, "events", "import", file, "-d", dir)
	for head := seeded; head == seeded; {
		if head, err = store.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	importing.stop()
	outcome{<-importing.ended, importing.out.String(), importing.err.String()}.wants(t, exitFailed,
		file+": the first ", "new events of the file are in; import it again", "gakushoku: interrupted")
	call(t, "events", "import", file, "-d", dir).wants(t, exitDone, " imported, ", " already there, 0 bad")
	if head, err := store.Head(t.Context()); err != nil || head != seeded+events {
		t.Errorf("%d events: %v", head, err)
	}
}

func TestImportMakesNoBadFileWithoutBadLines(t *testing.T) {
	t.Parallel()
	file := put(t, "log.jsonl", seed)
	ok(t, "events", "import", file, "-d", filepath.Join(t.TempDir(), "data"), "--skip-bad")
	if _, err := os.Stat(file + ".bad"); err == nil {
		t.Error("there is a file of bad lines")
	}
}

func TestExportChooses(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	for flag, want := range map[string]int{"--stream=order-o1": 2, "--since=2026-01-24T09:00:01+09:00": 1, "--since=1h": 0} {
		if lines := strings.Count(ok(t, "events", "export", "-d", dir, flag), "\n"); lines != want {
			t.Errorf("%s: %d lines, want %d", flag, lines, want)
		}
	}
}

func TestExportHasEveryEventWheneverItHappened(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	var log strings.Builder
	times := []string{"0000-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z", "2026-01-24T00:00:00.000Z"}
	for n, at := range times {
		fmt.Fprintf(&log, `{"eventId":"e%d","type":"OrderPlaced","occurredAt":%q,"payload":{"orderId":"o%d","total":1}}`+"\n", n, at, n)
	}
	callWith(t, log.String(), false, "events", "import", "-", "-d", dir).wants(t, exitDone, "4 imported")
	for _, c := range []struct {
		flag string
		want int
	}{{"--stream=order-o1", 1}, {"--since=0000-01-01T00:00:00Z", 4}, {"--since=0001-01-01T00:00:00Z", 3}, {"--since=1970-01-01T00:00:00Z", 2}} {
		if lines := strings.Count(ok(t, "events", "export", "-d", dir, c.flag), "\n"); lines != c.want {
			t.Errorf("%s: %d lines, want %d", c.flag, lines, c.want)
		}
	}
	if lines := strings.Count(ok(t, "events", "export", "-d", dir), "\n"); lines != len(times) {
		t.Errorf("all: %d lines", lines)
	}
}

// A cut brings a copy up to date that has what is before it. A folder without that refuses it,
// and says what to import first.
func TestACutIsGoodForAFolderThatHasTheEventsBeforeIt(t *testing.T) {
	t.Parallel()
	dir, backup := seeded(t), filepath.Join(t.TempDir(), "backup")
	cut := put(t, "cut.jsonl", ok(t, "events", "export", "-d", dir, "--since=2026-01-24T00:00:01Z"))
	before, _, _ := strings.Cut(seed, "\n")
	callWith(t, before, false, "events", "import", "-", "-d", backup).wants(t, exitDone, "1 imported")
	contains(t, ok(t, "events", "import", cut, "-d", backup), "1 imported, 0 already there, 0 bad")

	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	call(t, "events", "import", cut, "-d", elsewhere).wants(t, exitFailed, "version 1 of order-o1 is missing before version 2", "import a file that has it first", "without --since")
	contains(t, strings.Join(strings.Fields(ok(t, "events", "export", "--help")), " "), "With --since it is a cut", "that has the events before it", "refuses it")
	all := put(t, "all.jsonl", ok(t, "events", "export", "-d", dir))
	contains(t, ok(t, "events", "import", all, "-d", elsewhere), "2 imported")
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestReadersThatLeaveAreNoFailure(t *testing.T) {
	t.Parallel()
	dir, file := seeded(t), put(t, "seed.jsonl", seed)
	for _, args := range [][]string{
		{"events", "export", "-d", dir}, {"events", "show", "o1", "-d", dir}, {"projection", "status", "-d", dir}, {"reproject", "--from", file, "--out", "-"},
	} {
		stderr := &output{}
		if code := run(t.Context(), args, strings.NewReader(""), brokenPipe{}, stderr); code != exitDone || strings.Contains(stderr.String(), "pipe") {
			t.Errorf("%v: exit %d: %s", args, code, stderr.String())
		}
	}
}

func TestShowFindsAStreamByItsNameOrItsOrder(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	for _, name := range []string{"order-o1", "o1"} {
		table := ok(t, "events", "show", name, "-d", dir)
		contains(t, table, "VERSION", "OrderPlaced", "OrderPaid", "c2", `{"orderId":"o1","total":780}`)
		if strings.Count(table, "\n") != 3 {
			t.Errorf("the table is\n%s", table)
		}
	}
	if lines := strings.Count(ok(t, "events", "show", "o1", "-d", dir, "--json"), `"eventId"`); lines != 2 {
		t.Errorf("%d events", lines)
	}
}

func TestShowKeepsControlCharactersFromTheTerminal(t *testing.T) {
	t.Parallel()
	if got := shortPayload([]byte("{\"a\": \"\u009b2J\"}")); got != "{\"a\":\"\ufffd2J\"}" {
		t.Errorf("%q", got)
	}
	if got := shortPayload([]byte(`"` + strings.Repeat("学", 300) + `"`)); len([]rune(got)) != 123 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}
