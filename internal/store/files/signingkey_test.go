package files_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/seal/sealtest"
	"gakushoku/internal/store/files"
)

func TestAKeyFileSigns(t *testing.T) {
	t.Parallel()
	sealtest.TestSigner(t, func(t *testing.T) func() seal.Signer {
		path := filepath.Join(t.TempDir(), "audit.key")
		return func() seal.Signer { return &files.SigningKey{Path: path} }
	})
}

func TestAKeyFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.key")
	if _, err := (&files.SigningKey{Path: path}).Public(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("there are other files: %v, %v", entries, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := (&files.SigningKey{Path: path}).Public(t.Context()); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: %v", err)
	}
}

func TestAFileThatIsNoKeyIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "", "other": "hello", "cut": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		path := filepath.Join(t.TempDir(), "audit.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (&files.SigningKey{Path: path}).Sign(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) != text {
			t.Errorf("%s became %q, %v", name, kept, err)
		}
	}
}

func TestPublicKeysOfEarlierKeysStayTrusted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	public := files.PublicKeys{Path: filepath.Join(dir, "audit.pub")}
	if err := public.Read(seal.Keys{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "a", "b"} {
		key, err := (&files.SigningKey{Path: filepath.Join(dir, name)}).Public(t.Context())
		if err == nil {
			err = public.Add(key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	keys := seal.Keys{}
	if err := public.Read(keys); err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}
