package subject_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

func newBox(now *time.Time) *subject.Box {
	return &subject.Box{Keys: memory.NewSubjectKeys(), Now: func() time.Time { return *now }}
}

func TestAnOriginComesBackForItsSubjectOnly(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := newBox(&now)
	rapid.Check(t, func(rt *rapid.T) {
		o := subject.Origin{Name: rapid.StringN(0, 30, 100).Draw(rt, "name"), Address: rapid.StringN(0, 30, 60).Draw(rt, "address"), Program: rapid.StringN(0, 30, 100).Draw(rt, "program")}
		sealed, err := b.Seal(t.Context(), "a", o)
		if err != nil || len(sealed) > event.MaxOriginBytes {
			rt.Fatal(len(sealed), err)
		}
		if got, err := b.Open(t.Context(), "a", sealed); err != nil || got != o {
			rt.Fatalf("%+v became %+v, %v", o, got, err)
		}
		if _, err := b.Seal(t.Context(), "b", subject.Origin{Name: "b"}); err != nil {
			rt.Fatal(err)
		}
		if _, err := b.Open(t.Context(), "b", sealed); sealed != "" && err == nil {
			rt.Fatal("another subject's key opens it")
		}
		for _, part := range []string{o.Name, o.Address, o.Program} {
			if len(part) > 4 && strings.Contains(sealed, part) {
				rt.Fatalf("%q is in plain text", part)
			}
		}
	})
}

func TestALongOriginIsCutSoThatAnEventStaysSmall(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := newBox(&now)
	long := strings.Repeat("食", 10_000)
	sealed, err := b.Seal(t.Context(), "a", subject.Origin{Name: long, Address: long, Program: long})
	if err != nil || len(sealed) > event.MaxOriginBytes {
		t.Errorf("%d bytes, %v", len(sealed), err)
	}
	if o, err := b.Open(t.Context(), "a", sealed); err != nil || !strings.HasPrefix(long, o.Program) || o.Program == "" {
		t.Errorf("%+v, %v", o, err)
	}
}

// erased returns a box with what it sealed for a subject who was erased since, and its clock.
func erased(t *testing.T) (b *subject.Box, sealed string, now *time.Time) {
	t.Helper()
	at := time.Now()
	b = newBox(&at)
	sealed, err := b.Seal(t.Context(), "a", subject.Origin{Name: "Aiko"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Keys.Erase(t.Context(), "a", 1); err != nil {
		t.Fatal(err)
	}
	return b, sealed, &at
}

func TestNobodyReadsAnErasedSubject(t *testing.T) {
	t.Parallel()
	b, sealed, _ := erased(t)
	b.Forget("a")
	if _, err := b.Open(t.Context(), "a", sealed); !errors.Is(err, subject.ErrErased) {
		t.Errorf("%v", err)
	}
	if again, err := b.Seal(t.Context(), "a", subject.Origin{Name: "Aiko"}); err != nil || again != "" {
		t.Errorf("%q, %v", again, err)
	}
}

func TestAnotherProcessSoonKnowsOfAnErasure(t *testing.T) {
	t.Parallel()
	b, sealed, now := erased(t)
	*now = now.Add(time.Minute)
	if _, err := b.Open(t.Context(), "a", sealed); !errors.Is(err, subject.ErrErased) {
		t.Errorf("%v", err)
	}
}

func TestChangedTextIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := newBox(&now)
	sealed, err := b.Seal(t.Context(), "a", subject.Origin{Name: "Aiko"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a byte": sealed[:10] + string(sealed[10]^1) + sealed[11:], "the version": "2" + sealed[1:], "the end": sealed[:8], "no text": "1.!"} {
		if o, err := b.Open(t.Context(), "a", text); err == nil {
			t.Errorf("%s changed: %+v", name, o)
		}
	}
	if o, err := b.Open(t.Context(), "a", ""); err != nil || o != (subject.Origin{}) {
		t.Errorf("%+v, %v", o, err)
	}
}

func newEraser(keys subject.Keys, streams *memory.Events) *subject.Eraser {
	at := time.UnixMilli(1000)
	n := 0
	return &subject.Eraser{Keys: keys, Streams: streams, Now: func() time.Time { at = at.Add(time.Second); return at }, NewID: func() string { n++; return fmt.Sprint("id", n) }}
}

func TestAnErasureIsRecordedOnceAndHonouredByARestore(t *testing.T) {
	t.Parallel()
	keys, streams := memory.NewSubjectKeys(), memory.NewEvents()
	if _, err := keys.Add(t.Context(), "a", subject.Key{1}); err != nil {
		t.Fatal(err)
	}
	r := newEraser(keys, streams)
	for _, first := range []bool{true, false} {
		if tomb, did, err := r.Erase(t.Context(), "a"); err != nil || did != first || tomb.At != event.InstantOfMilli(2000) {
			t.Errorf("%+v, %t, %v", tomb, did, err)
		}
	}
	history, err := streams.Load(t.Context(), "erasures-all", 0)
	if err != nil || len(history) != 1 || history[0].Type != subject.ErasedType || string(history[0].Payload) != `{"list":"all","subject":"a","at":"1970-01-01T00:00:02.000Z"}` {
		t.Fatalf("%+v, %v", history, err)
	}
	if err := event.Check(&history[0]); err != nil {
		t.Error(err)
	}
	restored := memory.NewSubjectKeys() // an older copy, from before the erasure
	for _, who := range []string{"a", "b"} {
		if _, err := restored.Add(t.Context(), who, subject.Key{1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{1, 0} {
		if n, err := newEraser(restored, streams).Honour(t.Context()); err != nil || n != want {
			t.Errorf("%d destroyed, %v", n, err)
		}
	}
	if _, err := restored.Key(t.Context(), "a"); !errors.Is(err, subject.ErrErased) {
		t.Errorf("%v", err)
	}
	if _, err := restored.Key(t.Context(), "b"); err != nil {
		t.Errorf("%v", err)
	}
}
