package eventio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/store/sqlite"
)

func newStore(t testing.TB) *sqlite.Events {
	t.Helper()
	store, err := sqlite.OpenEvents(t.Context(), filepath.Join(t.TempDir(), "events.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

const (
	placed1 = `{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780}}`
	paid1   = `{"eventId":"e2","type":"OrderPaid","occurredAt":"2026-01-24T00:00:01.000Z","correlationId":"c2","payload":{"orderId":"o1","paidAt":"2026-01-24T00:00:01.000Z"}}`
	placed2 = `{"eventId":"e3","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:02.000Z","payload":{ "total":500, "orderId":"o2", "note":"学食 \u00e9" }}`
)

// versioned is an event of order o1 with its version, which the tests choose.
func versioned(id string, version int, kind string) string {
	return fmt.Sprintf(`{"eventId":%q,"type":%q,"occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780,"paidAt":"2026-01-24T00:00:00.000Z"},"version":%d}`, id, kind, version)
}

func file(lines ...string) io.Reader { return strings.NewReader(strings.Join(lines, "\n")) }

// stored is what the store holds, as stream/version/eventId in the order of the log.
func stored(t testing.TB, store Source) []string {
	t.Helper()
	events, _, err := store.Read(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("%s/%d/%s", e.Stream, e.Version, e.ID))
	}
	return all
}

func equal(t testing.TB, want, got any, o ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, append(o, cmpopts.EquateEmpty())...); diff != "" {
		t.Error(diff)
	}
}

func mustImport(t testing.TB, store Target, lines ...string) Report {
	t.Helper()
	report, err := Import(t.Context(), file(lines...), store, Options{})
	if err != nil {
		t.Fatalf("import: %v %v", err, report.Bad)
	}
	return report
}

func TestImportAcceptsTheSeed(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	report, err := Import(t.Context(), strings.NewReader("\xef\xbb\xbf"+placed1+"\r\n\r\n  \n"+paid1+"\n"+placed2), store, Options{CorrelationID: "run-1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, Report{Lines: 5, Events: 3, Imported: 3, Streams: 2, CorrelationID: "run-1"}, report)
	equal(t, []string{"order-o1/1/e1", "order-o1/2/e2", "order-o2/1/e3"}, stored(t, store))
	events, err := store.Load(t.Context(), "order-o2", 0)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "run-1", events[0].CorrelationID)
	equal(t, 1, events[0].Schema)
	equal(t, `{ "total":500, "orderId":"o2", "note":"学食 \u00e9" }`, string(events[0].Payload))
}

func TestImportAgainDoesNothing(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	mustImport(t, store, placed1, paid1, placed2)
	report := mustImport(t, store, placed1, paid1, placed2)
	equal(t, Report{Lines: 3, Events: 3, AlreadyThere: 3, Streams: 2}, report, cmpopts.IgnoreFields(Report{}, "CorrelationID"))
	report = mustImport(t, store, placed1, versioned("e9", 3, "OrderPreparationStarted"))
	equal(t, 1, report.Imported)
	equal(t, 4, len(stored(t, store)))
}

func TestImportRefusesIdsOfOtherEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, want string }{
		"another stream":  {strings.ReplaceAll(placed1, `"o1"`, `"zzz0"`), `eventId "e1" is version 1 of order-o1 in the event store, and version 1 of order-zzz0 here`},
		"another payload": {strings.ReplaceAll(placed1, `"orderId"`, `"note":"x","orderId"`), `eventId "e1", version 1 of order-o1, has another payload in the event store`},
		"another type":    {strings.ReplaceAll(placed1, "OrderPlaced", "OrderReady"), "has another type in the event store"},
		"another time":    {strings.ReplaceAll(placed1, "2026-01-24", "2026-01-25"), "has another time in the event store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t)
			mustImport(t, store, placed1, paid1)
			report, err := Import(t.Context(), file(placed2, c.line), store, Options{})
			if !errors.Is(err, ErrBadLines) || len(report.Bad) != 1 || report.Bad[0].Line != 2 || !strings.Contains(report.Bad[0].Reason, c.want) {
				t.Errorf("%+v, %v", report, err)
			}
			equal(t, 2, len(stored(t, store)))
		})
	}
	twice := strings.ReplaceAll(placed1, `"orderId"`, `"note":"x","orderId"`)
	if report, err := Import(t.Context(), file(placed1, twice), newStore(t), Options{}); !errors.Is(err, ErrBadLines) || report.Bad[0].Line != 2 {
		t.Errorf("twice in a file: %+v, %v", report, err)
	}
}

func TestImportSortsOutVersions(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	mustImport(t, store,
		versioned("c", 3, "OrderPreparationStarted"), placed2, versioned("b", 2, "OrderPaid"), versioned("a", 1, "OrderPlaced"), versioned("b", 2, "OrderPaid"))
	equal(t, []string{"order-o2/1/e3", "order-o1/1/a", "order-o1/2/b", "order-o1/3/c"}, stored(t, store))
	// What is stored comes after what is new in the file, and repeats do not count as new.
	report := mustImport(t, store, versioned("e", 5, "OrderPickedUp"), versioned("d", 4, "OrderReady"), versioned("c", 3, "OrderPreparationStarted"))
	equal(t, 2, report.Imported)
	equal(t, 6, len(stored(t, store)))
}

func TestImportCountsVersionsOnFromOneThatIsGiven(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	mustImport(t, store, versioned("a", 1, "OrderPlaced"))
	mustImport(t, store, versioned("b", 2, "OrderPaid"),
		`{"eventId":"c","type":"OrderReady","occurredAt":"2026-01-24T00:00:00.000Z","payload":{"orderId":"o1"}}`)
	equal(t, []string{"order-o1/1/a", "order-o1/2/b", "order-o1/3/c"}, stored(t, store))
}

func TestImportRefusesBadLines(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		before []string // in the store
		lines  []string
		bad    []BadLine // Reason is a part of the reason
	}{
		{"no JSON", nil, []string{placed1, "nonsense", paid1}, []BadLine{{2, "byte 1"}}},
		{"half a line", nil, []string{placed1[:len(placed1)-5]}, []BadLine{{1, ""}}},
		{"an unknown type", nil, []string{strings.Replace(placed1, "OrderPlaced", "OrderEaten", 1)}, []BadLine{{1, "OrderEaten"}}},
		{"a payload its type cannot be made of", nil, []string{strings.Replace(placed1, "780", `"780"`, 1)}, []BadLine{{1, "total"}}},
		{"no eventId", nil, []string{strings.Replace(placed1, `"e1"`, `""`, 1)}, []BadLine{{1, "eventId"}}},
		{"an order's event in another's stream", nil, []string{strings.Replace(placed1, `"payload"`, `"stream":"order-x","payload"`, 1)}, []BadLine{{1, "order-x"}}},
		{"not UTF-8", nil, []string{strings.Replace(placed1, "o1", "o\xff", 1)}, []BadLine{{1, "UTF-8"}}},
		{"an eventId twice", nil, []string{placed1, placed1}, []BadLine{{2, `eventId "e1" is on line 1 too, as version 1 of order-o1; here it would be version 2`}}},
		{"an eventId in two streams", nil, []string{placed1, strings.Replace(placed2, `"e3"`, `"e1"`, 1)}, []BadLine{{2, "on line 1 too"}}},
		{"a version twice", nil, []string{versioned("a", 1, "OrderPlaced"), versioned("b", 1, "OrderPlaced")}, []BadLine{{2, `eventId "b" here and eventId "a" on line 1`}}},
		{"a gap", nil, []string{versioned("a", 1, "OrderPlaced"), versioned("c", 3, "OrderPaid"), versioned("d", 4, "OrderReady")},
			[]BadLine{{2, "version 2 of order-o1 is missing before version 3"}, {3, "follows an event that cannot be imported"}}},
		{"a beginning that is missing", nil, []string{versioned("c", 3, "OrderPaid")}, []BadLine{{1, "version 1 of order-o1 is missing"}}},
		{"another event in the store", []string{placed1}, []string{versioned("x", 1, "OrderPlaced"), versioned("y", 2, "OrderPaid")},
			[]BadLine{{1, `version 1 of order-o1 is eventId "x" here and eventId "e1" in the event store`}, {2, "follows"}}},
		{"an event that the store has elsewhere in the stream", []string{placed1}, []string{versioned("e1", 2, "OrderPaid")}, []BadLine{{1, `eventId "e1" is version 1 of order-o1 in the event store, and version 2 of order-o1 here`}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t)
			if c.before != nil {
				mustImport(t, store, c.before...)
			}
			before := stored(t, store)
			report, err := Import(t.Context(), file(append(c.lines, placed2)...), store, Options{})
			if !errors.Is(err, ErrBadLines) {
				t.Fatalf("want bad lines, got %v", err)
			}
			partly := cmp.Comparer(func(a, b BadLine) bool {
				return a.Line == b.Line && (strings.Contains(a.Reason, b.Reason) || strings.Contains(b.Reason, a.Reason))
			})
			equal(t, c.bad, report.Bad, partly)
			equal(t, before, stored(t, store))
			equal(t, 0, report.Imported)
		})
	}
}

func TestImportSkipsBadLinesWhenAsked(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	var bad bytes.Buffer
	long := strings.Repeat("x", MaxLineBytes+10)
	in := strings.Join([]string{placed1 + "\r", "nonsense \t", long, paid1, versioned("z", 9, "OrderReady"), placed2}, "\n") + "\n"
	report, err := Import(t.Context(), strings.NewReader(in), store, Options{SkipBad: true, BadWriter: &bad})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, 3, report.Imported)
	equal(t, 3, report.BadLines)
	equal(t, []int{2, 3, 5}, []int{report.Bad[0].Line, report.Bad[1].Line, report.Bad[2].Line})
	equal(t, []string{"order-o1/1/e1", "order-o1/2/e2", "order-o2/1/e3"}, stored(t, store))
	if want := "nonsense \t\n" + long + "\n" + versioned("z", 9, "OrderReady") + "\n"; bad.String() != want {
		t.Errorf("the bad lines are not what was in the file: %d bytes, want %d", bad.Len(), len(want))
	}
}

func TestImportBoundsWhatTheStoreCanTake(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	big := strings.Replace(placed1, `"total"`, `"note":"`+strings.Repeat("x", sqlite.MaxEventBytes)+`","total"`, 1)
	report, err := Import(t.Context(), file(placed2, big), store, Options{MaxEventBytes: sqlite.MaxEventBytes})
	if !errors.Is(err, ErrBadLines) || len(report.Bad) != 1 || !strings.Contains(report.Bad[0].Reason, "at most 400000") {
		t.Errorf("%v %v", err, report.Bad)
	}
	_, err = Import(t.Context(), file(placed2, big), store, Options{})
	if !errors.Is(err, eventstore.ErrTooLarge) {
		t.Errorf("unbounded: %v", err)
	}
	equal(t, 0, len(stored(t, store)))
}

func TestImportReadsFilesAndStreamsAlike(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(path, []byte(placed1+"\n"+paid1), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	store, spool := newStore(t), t.TempDir()
	if _, err := Import(t.Context(), f, store, Options{SpoolDir: spool}); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { fmt.Fprintln(w, placed2); w.Close() }()
	if _, err := Import(t.Context(), r, store, Options{SpoolDir: spool}); err != nil {
		t.Fatal(err)
	}
	equal(t, 3, len(stored(t, store)))
	left, err := os.ReadDir(spool)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the spool folder: %v %v", left, err)
	}
}

func TestImportOfNothingIsNoError(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	for _, in := range []string{"", "\n", "\xef\xbb\xbf", "\r\n \t\r\n"} {
		report, err := Import(t.Context(), strings.NewReader(in), store, Options{CorrelationID: "c"})
		if err != nil || report.Events != 0 || report.BadLines != 0 {
			t.Errorf("%q: %+v %v", in, report, err)
		}
	}
}

// racingStore is a store in which something happens between the check and the append.
type racingStore struct {
	*sqlite.Events
	race func() error
}

func (r racingStore) AppendAll(ctx context.Context, f func(add func(string, uint64, []event.Event) error) error) error {
	if err := r.race(); err != nil {
		return err
	}
	return r.Events.AppendAll(ctx, f)
}

func TestImportImportsNothingWhenTheStoreChangesMeanwhile(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	racing := racingStore{store, func() error {
		var e event.Event
		if err := event.Decode([]byte(strings.Replace(placed2, "e3", "other", 1)), &e); err != nil {
			return err
		}
		return store.Append(t.Context(), e.Stream, 0, []event.Event{e})
	}}
	report, err := Import(t.Context(), file(placed1, paid1, placed2), racing, Options{})
	if !errors.Is(err, ErrStoreChanged) || !strings.Contains(err.Error(), "version 1 of order-o2") || report.Imported != 0 {
		t.Errorf("%v %+v", err, report)
	}
	equal(t, []string{"order-o2/1/other"}, stored(t, store))
}

// Mutation caught: a conflict with what another import of the same file has just brought in is an
// error, or its events count as imported.
func TestImportLeavesOutWhatAnotherImportsMeanwhile(t *testing.T) {
	t.Parallel()
	ready := versioned("e9", 3, "OrderReady")
	for name, other := range map[string][]string{
		"all of it":      {placed1, paid1, placed2, ready},
		"some of it":     {placed1, placed2},
		"a part of each": {placed1, paid1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t)
			racing := racingStore{store, sync.OnceValue(func() error {
				mustImport(t, store, other...)
				return nil
			})}
			report, err := Import(t.Context(), file(placed1, paid1, placed2, ready), racing, Options{})
			if err != nil || report.Imported != 4-len(other) || report.AlreadyThere != len(other) {
				t.Errorf("%v %+v", err, report)
			}
			if all := stored(t, store); len(all) != 4 {
				t.Errorf("the store has %v", all)
			}
		})
	}
}

// What was stored before a rule was made is taken back as it is.
func TestStoredLinesAreCheckedLessStrictly(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"a total beside its lines":    `{"orderId":"o1","total":1,"lines":[{"product":"x","quantity":5,"unitPrice":780}]}`,
		"a known key in another case": `{"orderId":"o1","total":1,"Total":5}`,
	} {
		line := strings.Replace(placed1, `{"orderId":"o1","total":780}`, payload, 1)
		if report, err := Import(t.Context(), file(line), newStore(t), Options{}); !errors.Is(err, ErrBadLines) {
			t.Errorf("%s, from outside: %v %+v", name, err, report)
		}
		if report, err := Import(t.Context(), file(line), newStore(t), Options{Stored: true}); err != nil || report.Imported != 1 {
			t.Errorf("%s, stored: %v %+v", name, err, report)
		}
	}
}

// changingFile is a store whose file of events changes while it is compared with the store.
type changingFile struct {
	*sqlite.Events
	change func() error
}

func (c changingFile) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	if err := c.change(); err != nil {
		return nil, err
	}
	return c.Events.LoadMany(ctx, streams)
}

func TestImportAppendsOnlyCheckedLines(t *testing.T) {
	t.Parallel()
	checked := placed1 + "\nnot an event\n"
	for name, rewritten := range map[string]string{
		"another event":          strings.Replace(checked, "e1", "e8", 1),
		"another payload":        strings.Replace(checked, "780", "999", 1),
		"another correlation id": strings.Replace(checked, `"c1"`, `"c9"`, 1),
		"another bad line":       strings.Replace(checked, "not an event", "not an EVENT", 1),
		"another first line":     "\n" + checked[1:],
		"a shorter file":         checked[:20],
		"an empty file":          "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "in.jsonl")
			if err := os.WriteFile(path, []byte(checked), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			store := newStore(t)
			changing := changingFile{store, func() error { return os.WriteFile(path, []byte(rewritten), 0o600) }}
			if _, err := Import(t.Context(), f, changing, Options{SkipBad: true, BadWriter: io.Discard}); !errors.Is(err, ErrFileChanged) {
				t.Errorf("got %v", err)
			}
			equal(t, 0, len(stored(t, store)))
		})
	}
}

func TestImportReportsProgress(t *testing.T) {
	t.Parallel()
	reached := map[string]Progress{}
	_, err := Import(t.Context(), file(placed1, paid1, placed2), newStore(t), Options{Progress: func(p Progress) { reached[p.Step] = p }})
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(placed1) + len(paid1) + len(placed2) + 2)
	equal(t, map[string]Progress{StepCheck: {StepCheck, 0, size}, StepCompare: {StepCompare, 0, 2}, StepAppend: {StepAppend, 3, 3}}, reached)
}

func TestImportStopsWithItsContext(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Import(ctx, file(placed1), store, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	late, stop := context.WithCancel(t.Context())
	defer stop()
	racing := racingStore{store, func() error { stop(); return nil }}
	if _, err := Import(late, file(placed1), racing, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	equal(t, 0, len(stored(t, store)))
}
