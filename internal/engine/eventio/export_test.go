package eventio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"gakushoku/internal/event"
)

func exported(t rapid.TB, src Source, o ExportOptions) string {
	t.Helper()
	var b bytes.Buffer
	n, err := Export(context.Background(), src, &b, o)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(b.String(), "\n"); lines != n {
		t.Fatalf("%d lines, but %d events counted", lines, n)
	}
	return b.String()
}

func TestExportChooses(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	mustImport(t, store, placed1, placed2, paid1)
	all := exported(t, store, ExportOptions{})
	if n := strings.Count(all, "\n"); n != 3 || !strings.HasPrefix(all, strings.TrimSuffix(placed1, "}")+`,"stream":"order-o1","version":1,"schema":1}`) {
		t.Errorf("all: %s", all)
	}
	if one := exported(t, store, ExportOptions{Stream: "order-o1"}); strings.Contains(one, "o2") || strings.Count(one, "\n") != 2 {
		t.Errorf("one stream: %s", one)
	}
	since, err := event.ParseInstant("2026-01-24T00:00:02Z")
	if err != nil {
		t.Fatal(err)
	}
	if late := exported(t, store, ExportOptions{Since: since}); strings.Count(late, "\n") != 1 || !strings.Contains(late, "o2") {
		t.Errorf("since: %s", late)
	}
	if _, err := Export(t.Context(), store, &bytes.Buffer{}, ExportOptions{Stream: "order-none"}); !errors.Is(err, ErrNoStream) {
		t.Errorf("unknown stream: %v", err)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

func TestExportEndsWithoutErrorOnEPIPE(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	mustImport(t, store, placed1)
	if _, err := Export(t.Context(), store, failingWriter{syscall.EPIPE}, ExportOptions{}); err != nil {
		t.Errorf("EPIPE: %v", err)
	}
	if _, err := Export(t.Context(), store, failingWriter{syscall.ENOSPC}, ExportOptions{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("ENOSPC: %v", err)
	}
}

// Whatever a log looks like, what was imported is exported, taken in elsewhere and exported
// again byte for byte, and importing it again changes nothing. It catches payloads that are
// encoded anew, versions that depend on the store, and an order that is not the file's.
func TestExportAndImportAreInverse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		first, second := newStore(t), newStore(t)
		in := drawLog(rt)
		report, err := Import(context.Background(), strings.NewReader(in), first, Options{})
		if err != nil {
			rt.Fatalf("%v %v\n%s", err, report.Bad, in)
		}
		out := exported(rt, first, ExportOptions{})
		for range 2 {
			if _, err := Import(context.Background(), strings.NewReader(out), second, Options{}); err != nil {
				rt.Fatal(err)
			}
			if again := exported(rt, second, ExportOptions{}); again != out {
				rt.Fatalf("differs:\n%s\n%s", out, again)
			}
		}
		again, err := Import(context.Background(), strings.NewReader(in), first, Options{})
		if err != nil || again.Imported != 0 || again.AlreadyThere != report.Events {
			rt.Fatalf("importing again: %+v %v", again, err)
		}
		checkPayloads(rt, in, out)
	})
}

// checkPayloads finds every payload of the input, byte for byte, in the output.
func checkPayloads(rt *rapid.T, in, out string) {
	for line := range strings.SplitSeq(in, "\n") {
		_, payload, ok := strings.Cut(line, `"payload":`)
		if !ok {
			continue
		}
		payload, _, _ = strings.Cut(payload, `,"x":"|"`)
		if !strings.Contains(out, payload) {
			rt.Fatalf("payload %s is not in\n%s", payload, out)
		}
	}
}

// drawLog makes a valid log: orders with events in any order, with or without versions, in
// several spellings. Each payload ends before the unknown field x.
func drawLog(rt *rapid.T) string {
	var lines []string
	kinds := []string{"OrderPlaced", "OrderPaid", "OrderPreparationStarted", "OrderReady", "OrderPickedUp"}
	withVersions := rapid.Bool().Draw(rt, "versions")
	for o := range rapid.IntRange(1, 5).Draw(rt, "orders") {
		id := fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"o", "注文", "é-", "a:b"}).Draw(rt, "id"), o)
		for v := range rapid.IntRange(1, len(kinds)).Draw(rt, "events") {
			space := rapid.SampledFrom([]string{"", " ", "\t"}).Draw(rt, "space")
			note := rapid.SampledFrom([]string{"", `<&>`, `\u003c`, `\"q\"`, "学", `\ud83c\udf5c`}).Draw(rt, "note")
			version := ""
			if withVersions {
				version = fmt.Sprintf(`,"version":%d`, v+1)
			}
			payload := fmt.Sprintf(`{%s"orderId":"%s",%s"total":100,"paidAt":"2026-01-24T09:00:00+09:00","note":"%s"}`, space, id, space, note)
			lines = append(lines, fmt.Sprintf(`{"eventId":"%s-%d",%s"type":"%s","occurredAt":"2026-01-24T00:00:0%d.5Z"%s,"payload":%s,"x":"|"}`, id, v, space, kinds[v], v, version, payload))
		}
	}
	if withVersions {
		lines = rapid.Permutation(lines).Draw(rt, "order")
	}
	return strings.Join(lines, rapid.SampledFrom([]string{"\n", "\r\n", "\n\n"}).Draw(rt, "line end"))
}
