package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/observe"
)

// folderKey is the object that identifies the folder that a log belongs to.
const folderKey = "folder.json"

// belong detects stores of another folder. A store without an id, from before there were ids, receives this
// folder's once, unless the events contradict that.
func (f *Folder) belong(ctx context.Context) error {
	id, err := f.id(ctx)
	if err != nil {
		return err
	}
	var aliens, unknown []string
	for _, m := range f.parts {
		theirs, err := m.belong(ctx, "")
		switch {
		case err != nil:
			return err
		case theirs == "":
			unknown = append(unknown, m.name)
		case theirs != id:
			aliens = append(aliens, m.name)
		}
	}
	if len(aliens) > 0 {
		f.alien = fmt.Errorf("%w: %s of %s belongs to another data folder: put this folder's own back, or make a new folder of what is in the log (runbook lost-events.md)",
			eventstore.ErrOtherStore, strings.Join(aliens, ", "), f.Dir)
		return nil
	}
	if len(unknown) == 0 || errors.Is(f.CheckEvents(ctx), eventstore.ErrOtherStore) {
		return nil
	}
	for _, m := range f.parts {
		if _, err := m.belong(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// id returns the folder's id. A folder without one takes that of its events.
func (f *Folder) id(ctx context.Context) (string, error) {
	m, found, err := readMarker(f.Dir)
	if err != nil || m.Folder != "" {
		return m.Folder, err
	}
	id, err := f.Events.Belong(ctx, observe.NewID())
	if err == nil && found {
		err = writeMarker(f.Dir, id)
	}
	return id, err
}

// logBelongs is part.belong for the objects of the log.
func (f *Folder) logBelongs(ctx context.Context, id string) (string, error) {
	var there marker
	raw, err := f.Blobs.Get(ctx, folderKey)
	if err == nil {
		err = json.Unmarshal(raw, &there)
	}
	if !errors.Is(err, eventlog.ErrNoBlob) || id == "" {
		if errors.Is(err, eventlog.ErrNoBlob) {
			err = nil
		}
		return there.Folder, err
	}
	encoded, err := json.Marshal(marker{folderFormat, id})
	if err == nil {
		err = f.Blobs.Put(ctx, folderKey, append(encoded, '\n'))
	}
	return id, err
}
