package files

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"

	"gakushoku/internal/engine/eventlog"
)

// Create implements eventlog.Creator. The file gets its name as a second link, which fails where a file is.
func (s *Blobs) Create(ctx context.Context, key string, data []byte) error {
	return s.write(ctx, "creating "+key, key, data, func(temp, path string) error {
		err := os.Link(temp, path)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		there, err := s.Get(ctx, key)
		switch {
		case err != nil && !errors.Is(err, eventlog.ErrNoBlob):
			return err
		case err != nil || !bytes.Equal(there, data):
			return eventlog.ErrExists
		}
		return nil
	})
}
