package tombstone_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/loans"
)

var kind = event.Kind{Prefix: "loan-", Key: "loanId", Types: "Loan"}

func line(t *testing.T, text string) event.Event {
	t.Helper()
	var e event.Event
	if err := event.DecodeStrict([]byte(text), &e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

const retired = `{"eventId":"t1","type":"StreamRetired","occurredAt":"2026-11-30T00:00:00.000Z","correlationId":"c1",` +
	`"payload":{"stream":"loan-l1","through":2,"sha256":"ab12","places":[{"number":17,"count":1},{"number":40,"count":1}]},"stream":"loan-l1","version":3,"schema":1}`

func TestATombstoneComesBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	e := line(t, retired)
	if err := event.Check(&e); err != nil {
		t.Error(err)
	}
	got, err := tombstone.Of(&e)
	if err != nil {
		t.Fatal(err)
	}
	want := tombstone.Retired{Stream: "loan-l1", Through: 2, SHA256: "ab12", Places: []tombstone.Place{{Number: 17, Count: 1}, {Number: 40, Count: 1}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := event.New(got)
	if err != nil || string(again.Payload) != string(e.Payload) || !tombstone.Is(&again) {
		t.Errorf("written as %s: %v", again.Payload, err)
	}
	if string(event.AppendJSON(nil, &e)) != retired {
		t.Errorf("the line is %s", event.AppendJSON(nil, &e))
	}
}

func TestTheStreamOfATombstoneFollowsFromItsPayload(t *testing.T) {
	t.Parallel()
	e := line(t, strings.Replace(retired, `"stream":"loan-l1","version"`, `"version"`, 1))
	if e.Stream != "loan-l1" {
		t.Errorf("the stream is %q", e.Stream)
	}
}

func TestATombstoneThatCannotBeOneIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"of another stream":           {`"stream":"loan-l1","through"`, `"stream":"loan-l2","through"`},
		"of no kind of streams":       {`loan-l1`, `nothing-l1`},
		"for no events":               {`"through":2`, `"through":0`},
		"without the place of events": {`[{"number":17,"count":1},{"number":40,"count":1}]`, `[]`},
		"without a digest":            {`"sha256":"ab12",`, ``},
	} {
		e := line(t, strings.ReplaceAll(retired, change[0], change[1]))
		if err := event.Check(&e); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	e := line(t, strings.Replace(retired, `"version":3`, `"version":4`, 1))
	if _, err := tombstone.Of(&e); err == nil {
		t.Error("one that leaves out an event before it is taken")
	}
}

func TestOnlyTheEventsThatWereRetiredAreVerified(t *testing.T) {
	t.Parallel()
	history := []event.Event{
		loan(t, loans.Taken{LoanID: "l1", Book: "b1"}, 1), loan(t, loans.Returned{LoanID: "l1"}, 2),
	}
	sum := tombstone.NewSum()
	for i := range history {
		sum.Add(&history[i])
	}
	r := tombstone.Retired{Stream: "loan-l1", Through: 2, SHA256: sum.Hex()}
	if err := r.Verify(history); err != nil {
		t.Error(err)
	}
	other := []event.Event{history[0], history[1]}
	other[1].Actor = "another"
	for name, events := range map[string][]event.Event{"one is missing": history[:1], "one is another": other} {
		if err := r.Verify(events); !errors.Is(err, tombstone.ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func loan(t *testing.T, p event.Payload, version uint64) event.Event {
	t.Helper()
	e, err := event.New(p)
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.Stream, e.Version = "e", kind.Stream("l1"), version
	return e
}
