package credential_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/store/memory"
)

var noon = time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC)

func keys(store credential.Store, now time.Time) credential.Keys {
	return credential.Keys{Store: store, Now: func() time.Time { return now }}
}

func TestAKeyIsShownOnceAndStoredAsItsDigest(t *testing.T) {
	t.Parallel()
	store := memory.NewControl()
	shown, made, err := keys(store, noon).Create(t.Context(), "till-1", "cashier", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(shown, credential.KeyPrefix) || len(shown) != len(credential.KeyPrefix)+43 {
		t.Errorf("the key is %q: want 256 bits after %s", shown, credential.KeyPrefix)
	}
	records, err := store.Credentials(t.Context(), credential.KindKey)
	if err != nil || len(records) != 1 || strings.Contains(string(records[0].Value), shown[len(credential.KeyPrefix):]) {
		t.Errorf("stored: %v, %v", records, err)
	}
	listed, err := keys(store, noon).List(t.Context())
	if diff := cmp.Diff([]credential.Key{made}, listed); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if made.Digest != credential.Digest(shown) || made.Name != "till-1" || made.Role != "cashier" || !made.Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("described as %+v", made)
	}
}

func TestAKeyLivesUntilItExpiresOrIsRevoked(t *testing.T) {
	t.Parallel()
	store := memory.NewControl()
	_, made, err := keys(store, noon).Create(t.Context(), "till", "cashier", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !made.Live(noon) || !made.Live(noon.Add(time.Hour-1)) || made.Live(noon.Add(time.Hour)) {
		t.Errorf("it does not live for an hour from noon: %+v", made)
	}
	revoked, err := keys(store, noon.Add(time.Minute)).Revoke(t.Context(), made.ID)
	if err != nil || revoked.Live(noon) || !revoked.Revoked.Equal(noon.Add(time.Minute)) {
		t.Errorf("revoked: %+v, %v", revoked, err)
	}
	again, err := keys(store, noon.Add(time.Hour)).Revoke(t.Context(), made.ID)
	if diff := cmp.Diff(revoked, again); err != nil || diff != "" {
		t.Errorf("revoked again: %v\n%s", err, diff)
	}
	if _, err := keys(store, noon).Revoke(t.Context(), "nobody"); !errors.Is(err, credential.ErrNoKey) {
		t.Errorf("revoking an unknown key: %v", err)
	}
}

func TestNamesOfOtherCallersAreRefused(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"till": true, "kitchen-screen-2": true, "k": true, "guests": true,
		"": false, "Till": false, "2nd": false, "till 1": false, "ann@example.com": false, "guest-1": false, "user-1": false, strings.Repeat("k", 41): false,
	} {
		if err := credential.CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestManyProcessesMakeOneFirstSecret(t *testing.T) {
	t.Parallel()
	store := memory.NewControl()
	secrets := credential.Secrets{Store: store, Now: func() time.Time { return noon }}
	if none, err := secrets.List(t.Context()); err != nil || len(none) != 0 {
		t.Fatalf("%v, %v", none, err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := secrets.Ensure(t.Context()); err != nil || len(got) != 1 || len(got[0].Bytes) != 32 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func TestRotatingKeepsTheOlderSecrets(t *testing.T) {
	t.Parallel()
	store := memory.NewControl()
	secrets := credential.Secrets{Store: store, Now: func() time.Time { return noon }}
	for range 11 {
		if _, err := secrets.Rotate(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	all, err := secrets.List(t.Context())
	if err != nil || len(all) != 11 || all[0].ID != "000001" || all[10].ID != "000011" {
		t.Errorf("%d secrets, %v", len(all), err)
	}
	if _, err := secrets.Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if all, err = secrets.List(t.Context()); err != nil || len(all) != 1 || all[0].ID != "000012" {
		t.Errorf("after a rotation that ends the others: %d secrets, %v", len(all), err)
	}
}

// failing is a store that fails as its field says.
type failing struct {
	credential.Store
	err error
}

func (f failing) Credentials(context.Context, string) ([]credential.Record, error) { return nil, f.err }

func TestAFailureOfTheStoreIsPassedOn(t *testing.T) {
	t.Parallel()
	broken := failing{memory.NewControl(), errors.New("disk")}
	_, listed := keys(broken, noon).List(t.Context())
	_, revoked := keys(broken, noon).Revoke(t.Context(), "a")
	_, ensured := credential.Secrets{Store: broken, Now: time.Now}.Ensure(t.Context())
	_, rotated := credential.Secrets{Store: broken, Now: time.Now}.Rotate(t.Context(), false)
	for what, err := range map[string]error{"List": listed, "Revoke": revoked, "Ensure": ensured, "Rotate": rotated} {
		if !errors.Is(err, broken.err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
