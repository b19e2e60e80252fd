package main

import (
	"bytes"
	"context"
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
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/sqlite"
)

// signed is a data folder with the seed in its log, which a server has signed.
func signed(t *testing.T, more ...string) string {
	t.Helper()
	dir := seeded(t)
	server := start(t, serving(dir, more...)...)
	server.addresses(t)
	server.stop()
	if code := <-server.ended; code != exitDone {
		t.Fatalf("exit %d: %s", code, server.err)
	}
	return dir
}

// forge does what somebody can do who may write the whole folder, but has not the key: it changes an event in
// the store, and makes segment, manifests and control records anew, so that nothing contradicts anything.
func forge(t *testing.T, dir, from, to string) {
	t.Helper()
	ctx := t.Context()
	folder, err := embedded.OpenFolder(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := folder.Ledger.Belong(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := files.OpenBlobs(filepath.Join(dir, "forged"))
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := sqlite.OpenLedger(ctx, filepath.Join(dir, "forged.db"))
	if err == nil {
		_, err = ledger.Belong(ctx, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := folder.Ledger.Manifests(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range manifests {
		forgeSegment(ctx, t, folder, &manifests[i], eventlog.Archiver{Ledger: ledger, Blobs: blobs}, from, to)
	}
	if err := errors.Join(folder.Close(), ledger.Close()); err != nil {
		t.Fatal(err)
	}
	replaceIn(t, filepath.Join(dir, "events.db"), from, to)
	for _, name := range []string{"segments", "manifests"} {
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, "log", name)), os.Rename(filepath.Join(dir, "forged", name), filepath.Join(dir, "log", name))); err != nil {
			t.Fatal(err)
		}
	}
	removeFiles(t, filepath.Join(dir, "log.db*"))
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "forged")), os.Rename(filepath.Join(dir, "forged.db"), filepath.Join(dir, "log.db"))); err != nil {
		t.Fatal(err)
	}
}

func forgeSegment(ctx context.Context, t *testing.T, folder *embedded.Folder, m *eventlog.Manifest, a eventlog.Archiver, from, to string) {
	t.Helper()
	source, _, err := folder.Ledger.Covering(ctx, m.First)
	if err != nil {
		t.Fatal(err)
	}
	var batch []eventlog.Record
	err = folder.Log().Events(ctx, m.First-1, m.Last, func(_ uint64, e *event.Event) error {
		own := e.Clone()
		own.Payload = bytes.Replace(own.Payload, []byte(from), []byte(to), 1)
		batch = append(batch, eventlog.Record{Source: source, Event: own})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Now = func() time.Time { return m.CreatedAt.Time() }
	a.NewID = func() string { return strings.TrimSuffix(filepath.Base(m.Key), ".jsonl.zst") }
	if _, err := a.Commit(ctx, batch); err != nil {
		t.Fatal(err)
	}
}

// replaceIn changes the text of the same length in a database that nobody has open.
func replaceIn(t *testing.T, path, from, to string) {
	t.Helper()
	raw := read(t, path)
	if strings.Count(raw, from) == 0 {
		t.Fatalf("%s is not in %s", from, path)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(raw, from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatNobodyTouchedIsSound(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	dir := signed(t, "--checkpoints-to", elsewhere)
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone, "2 events in 1 segment", "1 signed checkpoint checked", "0 events after it", "Nothing was changed.")
	public := put(t, "audit.pem", ok(t, "audit", "key", "-d", dir))
	call(t, "audit", "verify", "--public-key", public, "--checkpoints", elsewhere, "-d", dir).wants(t, exitDone, "2 signed checkpoints checked")
	call(t, "audit", "verify", "--checkpoints", filepath.Join(elsewhere, "checkpoints"), "-d", dir).wants(t, exitUsage, "--checkpoints-to wrote to")
	call(t, "audit", "verify", "--json", "-d", dir).wants(t, exitDone, `"sound": true`, `"unsealed": 0`)
	if info, err := os.Stat(filepath.Join(dir, "audit.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// Somebody may write everything and leaves no contradiction: without the signed checkpoint all would be sound.
func TestAFolderThatWasMadeAnewIsFoundByTheCheckpoint(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	dir := signed(t, "--checkpoints-to", elsewhere)
	public := put(t, "audit.pem", ok(t, "audit", "key", "-d", dir))
	ok(t, "projection", "rebuild", "orders", "-d", dir)
	forge(t, dir, `"total":780`, `"total":180`)

	const what = "is not the one that was sealed"
	call(t, "audit", "verify", "-d", dir).wants(t, exitFailed, "sealDiffers", what, "audit-broken.md")
	call(t, "events", "verify", "--deep", "-d", dir).wants(t, exitFailed, "sealDiffers")
	call(t, "archive", "verify", "--deep", "--fix", "-d", dir).wants(t, exitFailed, "sealDiffers")
	call(t, "projection", "heal", "orders", "--stream", "o1", "-d", dir).wants(t, exitFailed, "contradicts its signed checkpoints")
	call(t, "projection", "verify", "orders", "--fix", "-d", dir).wants(t, exitFailed, "contradicts its signed checkpoints")

	hidden := filepath.Join(dir, "log", "checkpoints")
	if err := os.RemoveAll(hidden); err != nil {
		t.Fatal(err)
	}
	call(t, "events", "verify", "--deep", "-d", dir).wants(t, exitFailed, "sealMissing")
	removeFiles(t, filepath.Join(dir, "control.db*"))
	call(t, "archive", "verify", "-d", dir).wants(t, exitDone) // it cannot know
	call(t, "audit", "verify", "--public-key", public, "--checkpoints", elsewhere, "-d", dir).wants(t, exitFailed, "sealDiffers", what)
}

func TestATailThatWasCutOffIsFoundByTheCheckpoint(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	before := filepath.Join(t.TempDir(), "before")
	server := start(t, serving(dir)...)
	server.addresses(t)
	server.stop()
	<-server.ended
	if err := os.CopyFS(before, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	ok(t, "events", "import", put(t, "more.jsonl", strings.NewReplacer("e1", "e3", "e2", "e4", "o1", "o2").Replace(seed)), "--data", dir)
	server = start(t, serving(dir)...)
	server.addresses(t)
	server.stop()
	<-server.ended
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone, "4 events", "2 signed checkpoints")
	// The older folder is put in the place of the newer one, but for the checkpoints.
	if err := os.CopyFS(filepath.Join(before, "log", "newer"), os.DirFS(filepath.Join(dir, "log", "checkpoints"))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(before, "log", "checkpoints")), os.Rename(filepath.Join(before, "log", "newer"), filepath.Join(before, "log", "checkpoints"))); err != nil {
		t.Fatal(err)
	}
	call(t, "audit", "verify", "-d", before).wants(t, exitFailed, "logCut", "ends with event 2, and had event 4")
}

// One byte of anything recorded is changed, and named.
func TestAChangedByteIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	dir := signed(t)
	const step = 5
	for pattern, named := range map[string]string{
		"log/segments/*/*": "segments/", "log/manifests/*": "manifests/", "log/checkpoints/*": "checkpoints/",
	} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) != 1 {
			t.Fatal(pattern, found, err)
		}
		raw := read(t, found[0])
		for at := 0; at < len(raw); at += step {
			changed := []byte(raw)
			changed[at] ^= 1
			if err := os.WriteFile(found[0], changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := call(t, "audit", "verify", "-d", dir); got.code != exitFailed || !strings.Contains(got.out, named) {
				t.Errorf("byte %d of %s: exit %d\n%s%s", at, found[0], got.code, got.out, got.err)
			}
		}
		if err := os.WriteFile(found[0], []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone)
	replaceIn(t, filepath.Join(dir, "events.db"), `"total":780`, `"total":781`)
	call(t, "audit", "verify", "-d", dir).wants(t, exitFailed, "eventDiffers", "order-o1 version 1")
}

// placed sends an order to a server.
func placed(t *testing.T, url, id string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/orders", strings.NewReader(fmt.Sprintf(`{"orderId":%q,"total":780}`, id)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "canteen-app/7.3 (Aiko's phone)")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		t.Fatal(answer.Status)
	}
}

func TestThirtyParallelCommandsAreListedAndErased(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	server := start(t, serving(dir)...)
	url, _ := server.addresses(t)
	var group sync.WaitGroup
	for n := range 30 {
		group.Go(func() { placed(t, url, fmt.Sprint("o", n)) })
	}
	group.Wait()
	server.stop()
	<-server.ended

	call(t, "audit", "verify", "-d", dir).wants(t, exitDone, "30 events of accepted commands with their entry", "0 events after it")
	entries := ok(t, "audit", "list", "--json", "--command", "PlaceOrder", "-d", dir)
	if n := strings.Count(entries, `"address":"127.0.0.1","program":"canteen-app/7.3 (Aiko's phone)"`); n != 30 {
		t.Errorf("%d entries\n%s", n, entries)
	}
	if rows := strings.Count(ok(t, "audit", "list", "--csv", "-d", dir), "\n"); rows != 31 {
		t.Errorf("%d lines of CSV", rows)
	}
	who := "anonymous-" + time.Now().UTC().Format("2006-01-02")
	if !strings.Contains(entries, time.Now().UTC().Format("2006-01-02")) {
		t.Skip("midnight has passed")
	}
	call(t, "subject", "find", who, "-d", dir).wants(t, exitDone, "30 events of commands stay", "1 text looked for", "None was found.")
	call(t, "subject", "erase", who, "-d", dir).wants(t, exitDone, who+" is erased", "None was found.")
	call(t, "subject", "erase", who, "--text", "Aiko's phone", "-d", dir).wants(t, exitDone, "already erased", "nothing was changed", "None was found.")
	entries = ok(t, "audit", "list", "--json", "--command", "PlaceOrder", "-d", dir)
	if n := strings.Count(entries, `"erased":true`); n != 30 || strings.Contains(entries, "Aiko") {
		t.Errorf("%d entries of the erased\n%s", n, entries)
	}
	call(t, "audit", "verify", "-d", dir).wants(t, exitDone, "30 events of accepted commands with their entry")
	call(t, "events", "verify", "--deep", "-d", dir).wants(t, exitDone)
	call(t, "projection", "verify", "orders", "-d", dir).wants(t, exitDone)
}

// Somebody puts back an older copy of the keys: the next start destroys again what was erased.
func TestARestoreOfTheKeysHonoursTheTombstone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	serve := func(do func(url string)) {
		server := start(t, serving(dir)...)
		url, _ := server.addresses(t)
		do(url)
		server.stop()
		<-server.ended
	}
	serve(func(url string) { placed(t, url, "o1") })
	keys := read(t, filepath.Join(dir, "keys.db"))
	who := "anonymous-" + time.Now().UTC().Format("2006-01-02")
	ok(t, "subject", "erase", who, "-d", dir)
	if err := os.WriteFile(filepath.Join(dir, "keys.db"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(ok(t, "audit", "list", "--json", "-d", dir), "Aiko") {
		t.Fatal("the older copy does not have the key")
	}
	serve(func(string) {})
	if got := ok(t, "audit", "list", "--json", "-d", dir); strings.Contains(got, "Aiko") || !strings.Contains(got, `"erased":true`) {
		t.Error(got)
	}
}
