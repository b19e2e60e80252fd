package embedded_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/event"
)

// patience bounds how long a test waits for what takes a moment.
const patience = 2 * time.Minute

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// order places an order, and returns the response without its body.
func placeOrder(t *testing.T, url, id string) *http.Response {
	t.Helper()
	response, err := http.Post(url+"/orders", "application/json", strings.NewReader(fmt.Sprintf(`{"orderId":%q,"total":1}`, id)))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

func wantOrder(t *testing.T, url, id string, status int) *http.Response {
	t.Helper()
	response := placeOrder(t, url, id)
	if response.StatusCode != status {
		t.Fatalf("order %s at %s: %s, want %d", id, url, response.Status, status)
	}
	return response
}

// read gets an order at a version.
func read(t *testing.T, url, id, version string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/orders/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if version != "" {
		request.Header.Set("If-Min-Version", version)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

func ended(t *testing.T, s *serving) {
	t.Helper()
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}

func TestAStandbyFollowsAndTakesOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	place := filepath.Join(dir, "place")
	primary := serve(t, embedded.ServeOptions{Dir: filepath.Join(dir, "a"), ReplicateTo: place, Lease: 2 * time.Second, Advertise: "http://a.example"})
	eventually(t, "the first contact", func() bool { return placeOrder(t, primary.url, "o1").StatusCode == http.StatusCreated })

	standby := serve(t, embedded.ServeOptions{Dir: filepath.Join(dir, "b"), StandbyOf: place, Lease: 2 * time.Second})
	eventually(t, "replication", func() bool { return read(t, standby.url, "o1", "1").StatusCode == http.StatusOK })
	got := wantOrder(t, standby.url, "o2", http.StatusServiceUnavailable)
	if got.Header.Get("X-Primary") != "http://a.example" || got.Header.Get("X-Replica-Behind-Ms") == "" {
		t.Errorf("headers of a refused command: %v", got.Header)
	}
	if got := read(t, standby.url, "o1", "7"); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a version that it has not: %s", got.Status)
	}
	wantOrder(t, primary.url, "o3", http.StatusCreated)
	if got := read(t, standby.url, "o3", "1"); got.StatusCode != http.StatusOK && got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a version that it will have soon: %s", got.Status)
	}
	if code, body := status(t, standby.ops+"/health"); code != http.StatusOK || !strings.Contains(body, "a standby of http://a.example") {
		t.Errorf("health of the standby: %d %s", code, body)
	}
	if code, body := status(t, primary.ops+"/health"); code != http.StatusOK || !strings.Contains(body, "the place has the events up to") {
		t.Errorf("health of the primary: %d %s", code, body)
	}
	eventually(t, "replication", func() bool { return read(t, standby.url, "o3", "1").StatusCode == http.StatusOK })

	promoted, err := embedded.Promote(t.Context(), filepath.Join(dir, "b"), embedded.PromoteOptions{By: "test"})
	if err != nil || !promoted.Serving || promoted.WaitedMs < 2000 {
		t.Fatalf("promoted: %+v, %v", promoted, err)
	}
	wantOrder(t, primary.url, "o4", http.StatusServiceUnavailable)
	eventually(t, "the first contact of the new primary", func() bool { return placeOrder(t, standby.url, "o5").StatusCode == http.StatusCreated })
	eventually(t, "that the old primary knows", func() bool {
		role, err := embedded.ReadRole(filepath.Join(dir, "a"))
		return err == nil && role.Role == embedded.RoleFenced
	})
	ended(t, primary)
	if err := embedded.Serve(t.Context(), embedded.ServeOptions{Dir: filepath.Join(dir, "a"), Addr: "127.0.0.1:0", ReplicateTo: place}); err == nil || !strings.Contains(err.Error(), "rejoin") {
		t.Errorf("serving the old primary again: %v", err)
	}
	ended(t, standby)
}

// A folder under another name is a place that one side cannot reach.
func TestWhatAnOldPrimaryAloneHasIsToldByRejoin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cut, place, a, lost := filepath.Join(dir, "cut"), filepath.Join(dir, "place"), filepath.Join(dir, "a"), filepath.Join(dir, "lost.jsonl")
	old := serve(t, embedded.ServeOptions{Dir: a, ReplicateTo: cut, ManualFencing: true})
	wantOrder(t, old.url, "o1", http.StatusCreated)
	eventually(t, "replication", func() bool {
		found, err := filepath.Glob(filepath.Join(cut, "manifests", "*.json")) // what is written last
		return err == nil && len(found) > 0
	})
	if err := os.Rename(cut, place); err != nil {
		t.Fatal(err)
	}
	wantOrder(t, old.url, "o2", http.StatusCreated)

	b := serve(t, embedded.ServeOptions{Dir: filepath.Join(dir, "b"), StandbyOf: place})
	eventually(t, "catching up", func() bool { return read(t, b.url, "o1", "1").StatusCode == http.StatusOK })
	if _, err := embedded.Promote(t.Context(), filepath.Join(dir, "b"), embedded.PromoteOptions{}); err == nil {
		t.Fatal("promoted without knowing that the primary is down")
	}
	if _, err := embedded.Promote(t.Context(), filepath.Join(dir, "b"), embedded.PromoteOptions{Down: true}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first contact of the new primary", func() bool { return placeOrder(t, b.url, "o3").StatusCode == http.StatusCreated })
	if err := os.Symlink(place, cut); err != nil {
		t.Fatal(err)
	}
	eventually(t, "that the old primary stops", func() bool { return placeOrder(t, old.url, "o4").StatusCode == http.StatusServiceUnavailable })
	ended(t, old)

	acknowledged := []string{"o2"}
	got, err := embedded.Rejoin(t.Context(), a, place, lost)
	if err != nil {
		t.Fatal(err)
	}
	var streams []string
	for _, e := range eventsIn(t, lost) {
		if strings.HasPrefix(e.Stream, "order-o") {
			streams = append(streams, strings.TrimPrefix(e.Stream, "order-"))
		}
	}
	slices.Sort(streams)
	streams = slices.DeleteFunc(slices.Compact(streams), func(id string) bool { return id == "o4" }) // until it stopped
	if diff := cmp.Diff(acknowledged, streams); diff != "" || got.Lost == 0 {
		t.Errorf("lost, as rejoin tells: %s (%+v)", diff, got)
	}
	if _, err := embedded.Rejoin(t.Context(), a, place, lost+"2"); err == nil {
		t.Error("a standby rejoined")
	}
	back := serve(t, embedded.ServeOptions{Dir: a, StandbyOf: place})
	eventually(t, "replication to the old primary", func() bool { return read(t, back.url, "o3", "1").StatusCode == http.StatusOK })
	if got := read(t, back.url, "o2", ""); got.StatusCode != http.StatusNotFound {
		t.Errorf("what was lost is there: %s", got.Status)
	}
	ended(t, back)
	ended(t, b)
}

func eventsIn(t *testing.T, path string) (events []event.Event) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e event.Event
		if err := event.Decode(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e.Clone())
	}
	return events
}

func TestAFolderKeepsItsRole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, place := filepath.Join(dir, "a"), filepath.Join(dir, "place")
	ended(t, serve(t, embedded.ServeOptions{Dir: a, ReplicateTo: place}))
	for name, o := range map[string]embedded.ServeOptions{
		"alone, without saying so": {}, "to another place": {ReplicateTo: place + "2"}, "as a standby": {StandbyOf: place},
	} {
		o.Dir, o.Addr = a, "127.0.0.1:0"
		if err := embedded.Serve(t.Context(), o); err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := embedded.Rejoin(t.Context(), a, place, filepath.Join(dir, "lost")); !errors.Is(err, embedded.ErrStillPrimary) {
		t.Errorf("rejoin of the primary: %v", err)
	}
	if _, err := embedded.Promote(t.Context(), a, embedded.PromoteOptions{}); !errors.Is(err, embedded.ErrNotStandby) {
		t.Errorf("promotion of the primary: %v", err)
	}
	ended(t, serve(t, embedded.ServeOptions{Dir: a, Alone: true}))
	ended(t, serve(t, embedded.ServeOptions{Dir: a}))
}
