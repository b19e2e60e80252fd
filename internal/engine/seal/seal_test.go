package seal_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// signer is a key in memory.
type signer struct{ key ed25519.PrivateKey }

func newSigner(t *testing.T) signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key}
}

func (s signer) Public(context.Context) (crypto.PublicKey, error) { return s.key.Public(), nil }

func (s signer) Sign(_ context.Context, message []byte) ([]byte, error) {
	return ed25519.Sign(s.key, message), nil
}

// log is a log with its seals.
type log struct {
	t      *testing.T
	ledger *memory.Ledger
	blobs  *memory.Blobs
	copies *memory.Blobs
	signer signer
	hour   int
}

func newLog(t *testing.T) *log {
	return &log{t: t, ledger: memory.NewLedger(), blobs: memory.NewBlobs(), copies: memory.NewBlobs(), signer: newSigner(t)}
}

func (l *log) keeper() *seal.Keeper {
	return &seal.Keeper{Check: l.check(), Blobs: l.blobs, Signer: l.signer, Copies: []eventlog.Blobs{l.copies}, Now: func() time.Time {
		return time.Date(2026, 1, 24, l.hour, 0, 0, 0, time.UTC)
	}}
}

// grow commits a segment of that many events, and seals the log.
func (l *log) grow(events int) *seal.Seal {
	l.t.Helper()
	l.hour++
	l.commit(events, fmt.Sprint("h", l.hour))
	s, err := l.keeper().Seal(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

func (l *log) commit(events int, name string) {
	l.t.Helper()
	batch := make([]eventlog.Record, events)
	for i := range batch {
		id := fmt.Sprintf("%s-%d", name, i)
		batch[i] = eventlog.Record{Source: id, Event: event.Event{ID: id, Type: "T", Stream: "s-" + id, Version: 1, Payload: []byte("{}")}}
	}
	a := eventlog.Archiver{Ledger: l.ledger, Blobs: l.blobs, Now: func() time.Time { return time.UnixMilli(1_769_212_800_000) }, NewID: func() string { return name }}
	if _, err := a.Commit(l.t.Context(), batch); err != nil {
		l.t.Fatal(err)
	}
}

func (l *log) check() *seal.Check {
	l.t.Helper()
	keys := seal.Keys{}
	if err := keys.Add(l.signer.key.Public()); err != nil {
		l.t.Fatal(err)
	}
	return &seal.Check{Ledger: l.ledger, Places: []eventlog.BlobReader{l.blobs, l.copies}, Trust: func(context.Context) (seal.Keys, error) { return keys, nil }}
}

func (l *log) report(find func(*seal.Check, context.Context) (*seal.Report, error)) *seal.Report {
	l.t.Helper()
	r, err := find(l.check(), l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func kindsOf(r *seal.Report) (kinds []seal.Kind) {
	for _, p := range r.Problems {
		if !slices.Contains(kinds, p.Kind) {
			kinds = append(kinds, p.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

func TestALogThatGrowsFitsItsSeals(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	if s, err := l.keeper().Seal(t.Context()); s != nil || err != nil {
		t.Errorf("an empty log: %+v, %v", s, err)
	}
	first := l.grow(3)
	if again, err := l.keeper().Seal(t.Context()); again != nil || err != nil {
		t.Errorf("nothing new: %+v, %v", again, err)
	}
	second := l.grow(2)
	l.commit(4, "open")
	for name, r := range map[string]*seal.Report{"all": l.report((*seal.Check).All), "the newest": l.report((*seal.Check).Newest)} {
		if r.Total != 0 || r.Newest == nil || r.Newest.Number != 5 || r.Unsealed != 4 || r.Since != 1 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := l.report((*seal.Check).All); r.Seals != 4 || first.Number != 3 || second.Segments != 2 {
		t.Errorf("%+v %+v %+v", r, first, second)
	}
}

// forge makes the log anew, with other events and without a contradiction of its own: what somebody can do
// who may write everything but does not have the key.
func (l *log) forge(events ...int) {
	seals := memory.NewBlobs()
	l.seals(func(key string, data []byte) []byte {
		if err := seals.Put(l.t.Context(), key, data); err != nil {
			l.t.Fatal(err)
		}
		return data
	})
	l.ledger, l.blobs = memory.NewLedger(), seals
	for i, n := range events {
		l.commit(n, fmt.Sprint("forged", i))
	}
}

func TestWhatIsDoneToASealedLogIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(l *log)
		want   []seal.Kind
	}{
		"everything is made anew":             {func(l *log) { l.forge(3, 2, 4) }, []seal.Kind{seal.SealDiffers}},
		"everything is cut otherwise":         {func(l *log) { l.forge(9) }, []seal.Kind{seal.SealDiffers}},
		"the tail is cut off":                 {func(l *log) { l.forge() }, []seal.Kind{seal.LogCut}},
		"another key signs":                   {func(l *log) { l.resign(newSigner(l.t)) }, []seal.Kind{seal.SealInvalid}},
		"a seal has another hash":             {func(l *log) { l.changeSeal("\"chain\": \"", "\"chain\": \"0") }, []seal.Kind{seal.SealInvalid}},
		"a seal is written otherwise":         {func(l *log) { l.changeSeal("{\n", "{\n\n") }, []seal.Kind{seal.SealInvalid}},
		"a seal has another time":             {func(l *log) { l.changeSeal("2026-01-24", "2026-01-25") }, []seal.Kind{seal.SealInvalid}},
		"a seal is no JSON":                   {func(l *log) { l.changeSeal("{", "") }, []seal.Kind{seal.SealInvalid}},
		"a seal is put in the place of other": {func(l *log) { l.copySeal(3, 5) }, []seal.Kind{seal.SealInvalid}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			l.grow(3)
			l.grow(2)
			l.commit(4, "open")
			c.damage(l)
			for _, find := range []func(*seal.Check, context.Context) (*seal.Report, error){(*seal.Check).All, (*seal.Check).Newest} {
				if r := l.report(find); !slices.Equal(kindsOf(r), c.want) {
					t.Errorf("%+v", r.Problems)
				}
			}
			if err := l.check().Trusted(t.Context()); !errors.Is(err, seal.ErrContradicted) {
				t.Errorf("trusted: %v", err)
			}
			l.commit(1, "later")
			if s, err := l.keeper().Seal(t.Context()); !errors.Is(err, seal.ErrContradicted) || s != nil {
				t.Errorf("it is sealed again: %+v, %v", s, err)
			}
		})
	}
}

func (l *log) seals(change func(key string, data []byte) []byte) {
	listed, err := l.blobs.List(l.t.Context(), seal.Folder, "", 100)
	for _, b := range listed {
		data, err := l.blobs.Get(l.t.Context(), b.Key)
		if err == nil {
			err = l.blobs.Put(l.t.Context(), b.Key, change(b.Key, data))
		}
		if err != nil {
			l.t.Fatal(err)
		}
	}
	if err != nil || len(listed) == 0 {
		l.t.Fatal(len(listed), err)
	}
}

func (l *log) changeSeal(from, to string) {
	l.seals(func(_ string, data []byte) []byte { return bytes.Replace(data, []byte(from), []byte(to), 1) })
}

func (l *log) copySeal(from, to uint64) {
	data, err := l.blobs.Get(l.t.Context(), seal.KeyOf(from))
	if err == nil {
		err = l.blobs.Put(l.t.Context(), seal.KeyOf(to), data)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// resign signs every seal with another key.
func (l *log) resign(by signer) {
	id, err := seal.KeyID(by.key.Public())
	if err != nil {
		l.t.Fatal(err)
	}
	l.seals(func(_ string, data []byte) []byte {
		var s seal.Seal
		if err := json.Unmarshal(data, &s); err != nil {
			l.t.Fatal(err)
		}
		s.Key, s.Signature = id, ed25519.Sign(by.key, s.Message())
		data, err := s.Encode()
		if err != nil {
			l.t.Fatal(err)
		}
		return data
	})
}

func TestACopyFindsWhatTheFolderHides(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.grow(3)
	l.forge(3)
	if err := l.blobs.Delete(t.Context(), seal.KeyOf(3)); err != nil {
		t.Fatal(err)
	}
	if r := l.report((*seal.Check).All); !slices.Equal(kindsOf(r), []seal.Kind{seal.SealDiffers}) {
		t.Errorf("%+v", r.Problems)
	}
}

func TestALogFromBeforeTheChainIsSealedAsAWhole(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.commit(3, "old")
	manifests, err := l.ledger.Manifests(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	manifests[0].Previous = ""
	l.ledger = memory.NewLedger()
	if err := l.ledger.Restore(t.Context(), manifests); err != nil {
		t.Fatal(err)
	}
	if s, err := l.keeper().Seal(t.Context()); err != nil || s.Number != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	l.grow(2)
	if r := l.report((*seal.Check).All); r.Total != 0 || r.Without != 1 || r.Since != 4 {
		t.Errorf("%+v", r)
	}
	manifests[0].SHA256 = strings.Repeat("0", 64)
	l.ledger = memory.NewLedger()
	if err := l.ledger.Restore(t.Context(), manifests); err != nil {
		t.Fatal(err)
	}
	if r := l.report((*seal.Check).All); !slices.Equal(kindsOf(r), []seal.Kind{seal.LogCut, seal.SealDiffers}) {
		t.Errorf("%+v", r.Problems)
	}
}

var update = flag.Bool("update", false, "write the golden seal anew: only when the format has changed on purpose")

func TestAStoredSealStaysValid(t *testing.T) {
	const golden = "testdata/seal"
	if *update {
		l := newLog(t)
		s := l.grow(3)
		data, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		public, err := seal.EncodePublic(l.signer.key.Public())
		if err == nil {
			err = errors.Join(os.MkdirAll("testdata", 0o750), os.WriteFile(golden+".json", data, 0o600), os.WriteFile(golden+".pem", public, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(golden + ".json")
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(golden + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t)
	c := l.check()
	keys := seal.Keys{}
	if err := keys.ParsePublic(public); err != nil {
		t.Fatal(err)
	}
	c.Trust = func(context.Context) (seal.Keys, error) { return keys, nil }
	if err := l.blobs.Put(t.Context(), seal.KeyOf(3), data); err != nil {
		t.Fatal(err)
	}
	r, err := c.All(t.Context())
	if err != nil || r.Newest == nil || !slices.Equal(kindsOf(r), []seal.Kind{seal.LogCut}) { // there is no log
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOtherKeysAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"nothing": "", "no PEM": "ssh-ed25519 AAAA", "a private key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := (seal.Keys{}).ParsePublic([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
