package embedded

import (
	"context"

	"gakushoku/internal/event"
	"gakushoku/internal/store/sqlite"
)

// taking is the event store of a folder for what follows a place, which alone may add to it.
type taking struct {
	*sqlite.Events
	folder *Folder
}

// AppendAll implements replica.Store.
func (t taking) AppendAll(ctx context.Context, f func(add func(stream string, expected uint64, events []event.Event) error) error) error {
	t.folder.taking.Store(true)
	defer t.folder.taking.Store(false)
	return t.Events.AppendAll(ctx, f)
}
