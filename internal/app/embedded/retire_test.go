package embedded

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/retire"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/observe"
)

// send executes a command on order o1 as guest-1.
func send(t *testing.T, f *Folder, key string, c order.Command) (command.Result[order.State], error) {
	t.Helper()
	ctx := observe.WithCaller(t.Context(), observe.Caller{Name: "guest-1", Role: "guest"})
	ctx = observe.WithOrigin(ctx, observe.Origin{Route: "POST /orders", Address: "203.0.113.77", Program: "kiosk-9.9"})
	r := command.Request[order.Command]{ID: "o1", Command: c, Key: key}
	return command.Execute(ctx, f.Commands(), order.Rules, r)
}

// retireAll retires what is closed, as if a hundred days had passed.
func retireAll(t *testing.T, f *Folder) retire.Report {
	t.Helper()
	if err := f.Archive(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := *f.Installation.Retirer
	r.Now = func() time.Time { return time.Now().AddDate(0, 0, 100) }
	report, err := r.Run(t.Context(), retire.Options{OlderThan: retire.LeastAge})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// cancelled is a folder with an order that was called off and then retired.
func cancelled(t *testing.T) *Folder {
	t.Helper()
	f, total := openFolder(t), int64(780)
	if _, err := send(t, f, "k1", order.PlaceOrder{OrderID: "o1", Total: &total}); err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, f, "k2", order.CancelOrder{}); err != nil {
		t.Fatal(err)
	}
	if report := retireAll(t, f); report.Streams != 1 {
		t.Fatalf("%+v", report)
	}
	stored, err := f.Events.Load(t.Context(), order.Stream("o1"), 0)
	if err != nil || len(stored) != 1 || !tombstone.Is(&stored[0]) {
		t.Fatalf("the event store has %+v, %v", stored, err)
	}
	return f
}

func TestCommandsOnARetiredOrderAreDecidedOnAllOfIt(t *testing.T) {
	t.Parallel()
	f := cancelled(t)
	again, err := send(t, f, "k2", order.CancelOrder{})
	if err != nil || !again.Repeated || again.State.Status != order.StatusCancelled || again.Version != 2 {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	var refused *order.Error
	if _, err := send(t, f, "k3", order.PayOrder{Method: order.MethodCash}); !errors.As(err, &refused) || refused.Code != order.CodeAlreadyCancelled {
		t.Errorf("paid late: %v", err)
	}
	if err := f.CheckEvents(t.Context()); err != nil {
		t.Error(err)
	}
	if err := f.CheckRows(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnErasureReachesRetiredEvents(t *testing.T) {
	t.Parallel()
	f := cancelled(t)
	box := &subject.Box{Keys: f.subjects, Now: time.Now}
	history, err := f.Ports.Events.Load(t.Context(), order.Stream("o1"), 0)
	if err != nil || len(history) != 3 {
		t.Fatal(len(history), err)
	}
	if o, err := box.Open(t.Context(), "guest-1", history[0].Origin); err != nil || o.Address != "203.0.113.77" {
		t.Fatalf("before: %+v, %v", o, err)
	}
	eraser := subject.Eraser{Keys: f.subjects, Streams: f.Ports.Events, Now: time.Now, NewID: observe.NewID}
	if _, _, err := eraser.Erase(t.Context(), "guest-1"); err != nil {
		t.Fatal(err)
	}
	fresh := &subject.Box{Keys: &subjectKeys{path: subjectsFile(f.Dir)}, Now: time.Now}
	if o, err := fresh.Open(t.Context(), "guest-1", history[0].Origin); !errors.Is(err, subject.ErrErased) {
		t.Errorf("after: %+v, %v", o, err)
	}
	if err := f.Archive(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"203.0.113.77", "kiosk-9.9"} {
		lookFor(t.Context(), t, f, text)
	}
}

// lookFor fails if a file of the folder, or an event of its log, has a text.
func lookFor(ctx context.Context, t *testing.T, f *Folder, text string) {
	t.Helper()
	err := filepath.WalkDir(f.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			t.Errorf("%s has %s", path, text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	exported, err := f.Ports.Events.Load(ctx, order.Stream("o1"), 0)
	if err != nil {
		t.Error(err)
	}
	for _, e := range exported {
		if bytes.Contains([]byte(e.Origin+string(e.Payload)), []byte(text)) {
			t.Errorf("version %d has %s", e.Version, text)
		}
	}
}
