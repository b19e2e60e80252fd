package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// Somebody appends an event to the database of a server that is stopped: a verification does not take it into the
// log, where it would look like all the others.
func TestAForgedTailIsNotAdoptedByVerifying(t *testing.T) {
	t.Parallel()
	dir := signed(t)
	folder, err := embedded.OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	forged := event.Event{
		ID: "f1", Type: "OrderPickedUp", OccurredAt: event.InstantOf(time.Now()), CorrelationID: "f", Schema: 1, Version: 3,
		Stream: "order-o1", Payload: []byte(`{"orderId":"o1"}`),
	}
	if err := folder.Events.Append(t.Context(), forged.Stream, 2, []event.Event{forged}); err != nil {
		t.Fatal(err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		call(t, "audit", "verify", "-d", dir).wants(t, exitDone, "2 events in 1 segment", "1 event of the event store not archived yet", "nothing proves")
	}
	call(t, "audit", "verify", "--json", "-d", dir).wants(t, exitDone, `"unarchived": 1`)
}

func TestDeletedCheckpointsAreMissed(t *testing.T) {
	t.Parallel()
	dir := signed(t)
	if err := os.RemoveAll(filepath.Join(dir, "log", "checkpoints")); err != nil {
		t.Fatal(err)
	}
	call(t, "audit", "verify", "-d", dir).wants(t, exitFailed, "sealMissing", "up to event 2", "audit-broken.md")
	call(t, "projection", "heal", "orders", "--stream", "o1", "-d", dir).wants(t, exitFailed, "contradicts its signed checkpoints")
	serve(t, dir, func(string, string) {}) // it signs nothing over it
	call(t, "audit", "verify", "-d", dir).wants(t, exitFailed, "sealMissing")

	call(t, "audit", "accept", "-d", dir).wants(t, exitDone, "checkpoints up to event 2 are lost")
	call(t, "audit", "accept", "-d", dir).wants(t, exitDone, "nothing was changed")
	serve(t, dir, func(string, string) {})
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone, "checked, the newest of", "accepted a loss: checkpoints up to event 2", "Nothing was changed.")
}

// The record of the rounds is gone as well: the key says that there was something to sign with.
func TestCheckpointsAreMissedBecauseOfTheKey(t *testing.T) {
	t.Parallel()
	dir := signed(t)
	if err := os.RemoveAll(filepath.Join(dir, "log", "checkpoints")); err != nil {
		t.Fatal(err)
	}
	removeFiles(t, filepath.Join(dir, "control.db*"))
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone, "no signed checkpoint yet, so nothing proves")
	ago := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "audit.pub"), ago, ago); err != nil {
		t.Fatal(err)
	}
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone) // the log is young
}

// serve runs a server while do does something with it.
func serve(t *testing.T, dir string, do func(url, ops string)) {
	t.Helper()
	server := start(t, serving(dir)...)
	do(server.addresses(t))
	server.stop()
	<-server.ended
}

// The keys of subjects are lost, or exchanged: who sent commands can no longer be read, and no erasure says why.
func TestLostKeysOfSubjectsAreNamed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	serve(t, dir, func(url, _ string) { placed(t, url, "o1") })
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone)
	removeFiles(t, filepath.Join(dir, "keys.db*"))
	call(t, "audit", "verify", "-d", dir).wants(t, exitFailed, "1 subject whose key is not there", "anonymous-", "from event 1 on: the key is gone")
	serve(t, dir, func(url, ops string) {
		placed(t, url, "o2") // with a key of its own
		if health := fetch(t, ops+"/health"); !strings.Contains(health, "keys.db") {
			t.Error(health)
		}
	})
	call(t, "audit", "verify", "--json", "-d", dir).wants(t, exitFailed, "another one, or the event was changed")
	call(t, "audit", "accept", "-d", dir).wants(t, exitDone, "keys up to event 2 are lost")
	serve(t, dir, func(_, ops string) {
		if health := fetch(t, ops+"/health"); strings.Contains(health, "keys.db") {
			t.Error(health)
		}
	})
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone, "accepted a loss: keys up to event 2")
}

// What a guest says when cancelling is encrypted like the address, and gone with the key.
func TestWordsOfACancellationAreErased(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	const words = "Aiko Tanaka is ill"
	serve(t, dir, func(url, _ string) {
		placed(t, url, "o1")
		if status := post(t, "cancelling-aiko", url+"/orders/o1/cancel", `{"reason":"`+words+`"}`); status != http.StatusOK {
			t.Error(status)
		}
	})
	if exported := ok(t, "events", "export", "-d", dir); strings.Contains(exported, words) || !strings.Contains(exported, `"type":"OrderCancelled"`) {
		t.Error(exported)
	}
	contains(t, ok(t, "audit", "list", "--json", "-d", dir), `"words":"`+words+`"`)
	who := subject.Anonymous(time.Now())
	call(t, "subject", "find", who, "-d", dir).wants(t, exitDone, "2 events of commands stay", "o1, cancelling-aiko", "None was found.")
	call(t, "subject", "erase", "guest-nobody", "-d", dir).wants(t, exitUsage, "nothing is recorded", "audit list")
	call(t, "subject", "find", "guest-nobody", "-d", dir).wants(t, exitUsage, "nothing is recorded", "audit list")
	call(t, "subject", "erase", who, "-d", dir).wants(t, exitDone, who+" is erased")
	call(t, "subject", "erase", who, "-d", dir).wants(t, exitDone, "already erased")
	if got := ok(t, "audit", "list", "--json", "-d", dir); strings.Contains(got, "Aiko Tanaka") {
		t.Error(got)
	}
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone)
}
