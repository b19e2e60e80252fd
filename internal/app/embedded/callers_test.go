package embedded

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/app/callers"
	scopes "gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
)

func opened(t *testing.T, o ServeOptions) (*Server, error) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "data")
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s, err := OpenServer(t.Context(), o)
	if err == nil {
		t.Cleanup(func() {
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, err
}

func TestEverybodyIsServedOnALoopbackAddressAlone(t *testing.T) {
	t.Parallel()
	keys := map[string]observe.Caller{credential.Digest("k"): scopes.CallerWith("till", "cashier")}
	provider := &scopes.Provider{Issuer: "https://login.example.com", Audiences: []string{"canteen"}}
	for what, tt := range map[string]struct {
		options         ServeOptions
		refused, closed bool
	}{
		"loopback, nothing configured":     {options: ServeOptions{}},
		"everywhere, nothing configured":   {options: ServeOptions{Addr: "0.0.0.0:0"}, refused: true},
		"operators everywhere":             {options: ServeOptions{OpsAddr: "0.0.0.0:0"}, refused: true},
		"everywhere, on purpose":           {options: ServeOptions{Addr: "0.0.0.0:0", Callers: callers.Options{Everybody: true}}},
		"everywhere, with a provider":      {options: ServeOptions{Addr: "0.0.0.0:0", Callers: callers.Options{Provider: provider}}, closed: true},
		"everywhere, with configured keys": {options: ServeOptions{Addr: "0.0.0.0:0", Callers: callers.Options{Keys: keys}}, closed: true},
		"loopback, with configured keys":   {options: ServeOptions{Callers: callers.Options{Keys: keys}}, closed: true},
		"keys, and everybody on purpose":   {options: ServeOptions{Callers: callers.Options{Keys: keys, Everybody: true}}},
	} {
		s, err := opened(t, tt.options)
		if tt.refused {
			if err == nil || !strings.Contains(err.Error(), "--issuer") || !strings.Contains(err.Error(), "--allow-anonymous") {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		if err != nil || s.closed != tt.closed || s.callers().Everybody == tt.closed {
			t.Errorf("%s: %v, closed: %v", what, err, s != nil && s.closed)
		}
	}
}

func TestDeviceKeysOfTheFolderCloseTheServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	f, err := OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := (credential.Keys{Store: f.Credentials, Now: time.Now}).Create(t.Context(), "till", "cashier", time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := opened(t, ServeOptions{Dir: dir, Addr: "0.0.0.0:0"})
	if err != nil || !s.closed {
		t.Errorf("%v, closed: %v", err, s != nil && s.closed)
	}
}
