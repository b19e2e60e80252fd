//go:build unix

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/operate/runbook"
)

// scenes are what the people on call find when they open a page, or a section of it: a canteen
// in which something is wrong. A section without a scene goes on where the one before it ended.
var scenes = map[string]func(*shift){
	"audit-broken.md":                       (*shift).forged,
	"backup-failed.md":                      (*shift).keptElsewhere,
	"bad-deployment.md":                     (*shift).misfolded,
	"credentials.md":                        (*shift).keyed,
	"switch.md":                             (*shift).wrongRow,
	"failed-run.md":                         (*shift).gaveUp,
	"failed-run.md#It was killed":           (*shift).killed,
	"failed-run.md#Why did it give up?":     (*shift).gaveUp,
	"failed-run.md#A stream is parked":      (*shift).poisoned,
	"failed-run.md#The verification failed": (*shift).changed,
	"failed-run.md#It was not approved":     (*shift).waiting,
	"failed-run.md#It was switched already": (*shift).switched,
	"failed-run.md#The log is not sound":    (*shift).withoutLedger,
	"failed-run.md#It is over when":         (*shift).switched,
	"lost-events.md":                        (*shift).withoutEvents,
	"lost-region.md":                        (*shift).lostRegion,
	"failback.md":                           (*shift).failback,
	"replication-behind.md":                 (*shift).replicated,
	"paid-but-unpaid.md":                    (*shift).wrongRows,
	"restore.md":                            (*shift).keptElsewhere,
	"paid-but-unpaid.md#It is parked":       (*shift).setAside,
}

// The order that a guest asks about, and the operation that paid it.
const (
	theOrder     = "lunch-4"
	theOperation = "my-payment"
)

// shift is a canteen that is open, and a person on call with a shell.
type shift struct {
	t          *testing.T
	dir, url   string
	ops        string // the server's address for operators
	env        []string
	server     *running
	background sync.WaitGroup
	mu         sync.Mutex
	written    strings.Builder // what the commands have shown
	shows      []string        // what must be among it
	ended      func()          // checks what the scene has left going on; may be nil
}

// newShift opens a canteen with some orders, all of them shown.
func newShift(t *testing.T) *shift {
	t.Helper()
	bin, home := t.TempDir(), t.TempDir()
	s := &shift{t: t, dir: filepath.Join(home, "data")}
	s.server = start(t, serving(s.dir)...)
	t.Cleanup(s.close)
	s.url, s.ops = s.server.addresses(t)
	program := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asProgram, os.Args[0])
	if err := os.WriteFile(filepath.Join(bin, "gakushoku"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	s.env = []string{
		"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + home, "USER=oncall", "TMPDIR=" + home,
		"GAKUSHOKU_DATA=" + s.dir, "URL=" + s.url, "OPS=" + s.ops, "ORDER=" + theOrder, "CID=" + theOperation,
	}
	for n := range 6 {
		id := fmt.Sprintf("lunch-%d", n+1)
		s.send("place-"+id, "/orders", fmt.Sprintf(`{"orderId":%q,"total":%d}`, id, 400+n*30))
		operation := theOperation
		if id != theOrder {
			operation = "payment-of-" + id
		}
		s.send(operation, "/orders/"+id+"/pay", `{"paymentMethod":"CARD"}`)
	}
	s.caughtUp()
	return s
}

// close stops the server.
func (s *shift) close() {
	if s.server != nil {
		s.server.stop()
		<-s.server.ended
	}
	s.server = nil
}

// send sends a command to the server.
func (s *shift) send(operation, path, body string) {
	s.t.Helper()
	s.request(http.MethodPost, operation, path, body)
}

func (s *shift) request(method, operation, path, body string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("x-correlation-id", operation)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s", method, path, response.Status)
	}
}

// caughtUp waits until all events are in the rows.
func (s *shift) caughtUp() {
	s.t.Helper()
	s.until("up to date", "projection", "status", "-d", s.dir)
}

// until waits for a text in what a command prints.
func (s *shift) until(text string, args ...string) string {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got := call(s.t, args...); strings.Contains(got.out, text) {
			return got.out
		}
	}
	s.t.Fatalf("%v never says %q", args, text)
	return ""
}

// blockLimit bounds one block: a command that waits for what never comes must not hang the test.
const blockLimit = 3 * time.Minute

// run runs a block, and waits for it unless it goes on in the background.
func (s *shift) run(b *runbook.Block) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), blockLimit)
	work := func() {
		defer cancel()
		shown, err := b.Run(ctx, s.dir, s.env)
		if err != nil {
			s.t.Errorf("section %q: %v", b.Section, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.written.WriteString(shown)
	}
	if b.Background {
		s.background.Go(work)
		return
	}
	work()
}

// wrongRow is an order that is shown as unpaid though it is paid.
func (s *shift) wrongRow() {
	damage(s.t, s.dir, "order-"+theOrder, unpaid)
	s.shows = []string{
		"nothing was written", "5 same, 1 changed, 0 only old, 0 only new", "is approved", "orders-v2, which replaces version 1", "It is sound.",
		"readers see orders-v1", "readers see orders-v2", "dropped orders-v1",
	}
}

// keyed is a canteen whose kitchen has a screen with a key.
func (s *shift) keyed() {
	ok(s.t, "keys", "create", "kitchen-screen", "--role", "kitchen", "-d", s.dir)
	s.shows = []string{"kitchen-screen", "live", "This is the key of kitchen-screen", "Secret 000001 signs", "Secret 000002 signs"}
}

// wrongRows are two of those.
func (s *shift) wrongRows() {
	for _, order := range []string{theOrder, "lunch-2"} {
		damage(s.t, s.dir, "order-"+order, unpaid)
	}
	s.shows = []string{
		"PayOrder", "OrderPaid", "applied, its row is at version 2", `It is different: status is "ORDERED", should be "PAID"`, "order-" + theOrder + " in orders-v1: healed", `"status":"PAID"`,
		"1 problem: 1 different", "1 row fixed: it is sound now", "It is sound.",
	}
}

// misfolded is what a bad deployment has left behind that was taken back.
func (s *shift) misfolded() {
	s.wrongRows()
	s.shows = []string{"server:start", "2 problems: 2 different", "2 rows fixed: it is sound now", "No stream is parked.", "It is sound."}
}

// setAside is an event that the code of yesterday could not apply; today's can.
func (s *shift) setAside() {
	damage(s.t, s.dir, "order-"+theOrder, func(r *projection.Record) {
		unpaid(r)
		r.Version, r.Parked = 1, &projection.Parked{EventID: "e2", EventVersion: 2, Reason: "unknown payment method", Attempts: 1}
	})
	s.shows = []string{"unknown payment method", "1 row, 1 healed, 0 parked"}
}

// killed is a rebuild whose process died while it waited for the projectors to know of it.
func (s *shift) killed() {
	kill(s.t, "reproject:join", "projection", "rebuild", "orders", "-d", s.dir)
	s.shows = []string{"builds orders-v2: ", "orders-v2, which replaces version 1", "no run of orders is going on", "orders-v3, which replaces version 2"}
	s.written.WriteString(ok(s.t, "projection", "status", "-d", s.dir))
}

// poisoned is an order that no fold can apply.
func (s *shift) poisoned() {
	ok(s.t, "events", "import", "--allow-unfoldable", put(s.t, "poison.jsonl", poison), "-d", s.dir)
	s.caughtUp()
	s.shows = []string{"1 streams cannot be folded to their end, 0 are allowed", "order bad was placed before", "orders-v3, which replaces version 1", "1 parked"}
}

// gaveUp is a rebuild that ended by itself.
func (s *shift) gaveUp() {
	s.poisoned()
	call(s.t, "projection", "rebuild", "orders", "-d", s.dir).wants(s.t, exitFailed, "cannot be folded to their end")
	s.shows = []string{"failed: ", "cannot be folded to their end"}
}

// waiting is a rebuild that waits for its approval.
func (s *shift) waiting() {
	run := start(s.t, "projection", "rebuild", "orders", "--approve", "-d", s.dir)
	run.eventually(s.t, run.err, "reproject:approve")
	s.until("sound", "projection", "approve", "orders", "--show", "-d", s.dir)
	s.shows = []string{"sound", "is rejected"}
	s.ended = func() {
		if code := <-run.ended; code != exitFailed || !strings.Contains(run.err.String(), "was not approved: the sales of Monday") {
			s.t.Errorf("exit %d: %s", code, run.err.String())
		}
	}
}

// switched is a rebuild that is over.
func (s *shift) switched() {
	ok(s.t, "projection", "rebuild", "orders", "-d", s.dir)
	s.shows = []string{"It is sound."}
}

// archived brings the log up to date.
func (s *shift) archived() {
	s.t.Helper()
	folder, err := embedded.OpenFolder(s.t.Context(), s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(folder.Archive(s.t.Context()), folder.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// changed is an event that is another in the event store than it is in the log, and the rebuild
// that noticed.
func (s *shift) changed() {
	s.archived()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "events.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(s.t.Context(), `UPDATE events SET payload = replace(payload, '490', '1') WHERE stream = ? AND version = 1`, "order-"+theOrder); err != nil {
		s.t.Fatal(err)
	}
	call(s.t, "projection", "rebuild", "orders", "-d", s.dir).wants(s.t, exitFailed, "1 rows are not what the events say", "order-"+theOrder+" ")
	s.shows = []string{`"class":"disputed"`, "eventDiffers"}
}

// forged is a log that somebody made anew with another event in it, in all places, with the server stopped.
func (s *shift) forged() {
	s.archived()
	s.close()
	forge(s.t, s.dir, `"total":490`, `"total":190`)
	s.shows = []string{"sealDiffers", "audit:sealed", "audit-broken.md"}
}

// withoutLedger is a log whose control records are gone, with the server stopped.
func (s *shift) withoutLedger() {
	s.archived()
	s.close()
	s.shows = []string{"manifestExtra", "to 12 events", "The log is sound.", "orders-v2, which replaces version 1", "12 events"}
	removeFiles(s.t, filepath.Join(s.dir, "log.db*"))
}

// withoutEvents is a folder whose event store is gone, with the server stopped.
func (s *shift) withoutEvents() {
	s.archived()
	s.close()
	s.env = append(s.env, "NEW="+filepath.Join(filepath.Dir(s.dir), "new"))
	s.shows = []string{"12 events and 6 rows in", "12 events of 6 streams compared", "The log is sound.", "The events are sound.", "It is sound."}
	removeFiles(s.t, filepath.Join(s.dir, "events.db*"))
}
