package embedded

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"gakushoku/internal/engine/backup"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/observe"
)

// publicKeys is the name of AuditPublicFile among the settings of a backup.
const publicKeys = "audit.pub"

// BackupSource returns the folder as something to be backed up. A server may have it meanwhile.
func (f *Folder) BackupSource(ctx context.Context, program string) (*backup.Source, error) {
	if err := f.CheckEvents(ctx); err != nil {
		return nil, err
	}
	id, err := f.id(ctx)
	if err != nil {
		return nil, err
	}
	return &backup.Source{
		ID: id, Program: program, Flush: f.Archive, Log: f.Log(), Credentials: f.Control, Subjects: f.subjects,
		Settings: func(context.Context) (map[string]string, error) { return settingsOf(f.Dir) }, Now: time.Now, NewID: observe.NewID,
	}, nil
}

// settingsOf returns the files of a folder that a backup keeps. The private key of signed checkpoints is none of
// them: it never leaves the machine, and a restored folder gets one of its own.
func settingsOf(dir string) (map[string]string, error) {
	public, err := os.ReadFile(AuditPublicFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	return map[string]string{publicKeys: string(public)}, err
}

// All implements subject.Lister.
func (k *subjectKeys) All(ctx context.Context) ([]subject.Record, error) {
	store, err := k.open(ctx, false)
	if err != nil || store == nil {
		return nil, err
	}
	return store.All(ctx)
}
