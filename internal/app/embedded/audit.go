package embedded

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/audit"
	"gakushoku/internal/store/files"
)

// AuditKeyFile returns the path of the key that a data folder's checkpoints are signed with, unless the server
// is told another one.
func AuditKeyFile(dir string) string { return filepath.Join(dir, "audit.key") }

// AuditPublicFile returns the path of the public keys that a data folder's checkpoints may be signed with.
func AuditPublicFile(dir string) string { return filepath.Join(dir, "audit.pub") }

// trusted returns the public keys of a data folder.
func trusted(dir string) func(context.Context) (seal.Keys, error) {
	return func(context.Context) (seal.Keys, error) {
		keys := seal.Keys{}
		return keys, files.PublicKeys{Path: AuditPublicFile(dir)}.Read(keys)
	}
}

// expected returns what is known of the folder's checkpoints without looking at them.
func (f *Folder) expected(ctx context.Context) (x seal.Expected, err error) {
	if f.Control != nil {
		x, err = audit.Expected(f.Control)(ctx)
	}
	if key, statErr := os.Stat(AuditPublicFile(f.Dir)); statErr == nil {
		x.Since, x.Now = key.ModTime(), time.Now()
	}
	return x, err
}

// witness returns what notices that keys.db was lost.
func (f *Folder) witness() *audit.Witness {
	return &audit.Witness{Subjects: f.subjects, Checkpoints: f.Control}
}

// openRounds returns what signs the folder's log, and copies the signed checkpoints to other folders.
func (f *Folder) openRounds(ctx context.Context, keyFile string, copies ...string) (*audit.Rounds, error) {
	key := &files.SigningKey{Path: keyFile}
	public, err := key.Public(ctx)
	if err == nil {
		err = files.PublicKeys{Path: AuditPublicFile(f.Dir)}.Add(public)
	}
	if err != nil {
		return nil, err
	}
	check := &seal.Check{Ledger: f.Ledger, Places: []eventlog.BlobReader{f.Blobs}, Trust: trusted(f.Dir), Expected: f.expected}
	keeper := &seal.Keeper{Check: check, Blobs: f.Blobs, Signer: key, Now: time.Now}
	for _, dir := range copies {
		blobs, err := files.OpenBlobs(dir)
		if err != nil {
			return nil, err
		}
		check.Places, keeper.Copies = append(check.Places, blobs), append(keeper.Copies, blobs)
	}
	return &audit.Rounds{Keeper: keeper, Checkpoints: f.Control, Witness: f.witness(), Now: time.Now}, nil
}

// sealLimit bounds the last round of a server that stops.
const sealLimit = 2 * time.Second

// sealLast signs what the log has got since the last round, unless the folder is gone.
func (r *running) sealLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(r.named(ctx, "audit"), sealLimit)
	defer cancel()
	if err := r.folder.InPlace(); err == nil {
		r.Rounds.Once(ctx) //nolint:errcheck // it has logged that
	}
}

// sealEachHour signs the log until ctx ends.
func (r *running) sealEachHour(ctx context.Context) {
	r.Rounds.Run(observe.WithMetrics(r.named(ctx, "audit"), r.sent.Metrics()))
}
