package embedded

import (
	"context"

	"gakushoku/internal/app/operator"
)

// Versions implements operator.Host. It needs the control records. If the events or the log are unreadable,
// it omits and notes what depends on them.
func (h host) Versions(ctx context.Context) (operator.Status, error) {
	f := h.folder
	status := operator.Status{Readable: f.readable(), NoEvents: f.Events == nil}
	err := f.applied(ctx, &status)
	for _, name := range f.Models.Names() {
		if err == nil {
			err = f.versionsOf(ctx, name, &status)
		}
	}
	if f.Ledger == nil {
		status.Unknown = append(status.Unknown, "the log cannot be read, so it is not known which rebuilds are under way and what they have brought in")
	}
	if err != nil || f.Broken() != nil {
		return status, err
	}
	why, err := f.misfit(ctx)
	if err = status.Note(ctx, "whether the parts of the folder belong together", err); err != nil {
		return status, err
	}
	status.Misfit = why
	if status.Reflected > status.Applied {
		lag, err := f.waiting(ctx, status.Reflected)
		status.BehindMs = lag.Milliseconds()
		return status, err
	}
	return status, nil
}

// applied adds how far the events were applied.
func (f *Folder) applied(ctx context.Context, s *operator.Status) error {
	if f.Events == nil {
		return nil
	}
	head, applied, lag, err := f.lag(ctx)
	s.Head, s.Applied, s.Reflected, s.BehindMs = head, applied, head, lag.Milliseconds()
	return err
}

// versionsOf adds the versions of one projection.
func (f *Folder) versionsOf(ctx context.Context, name string, s *operator.Status) error {
	pointer, err := f.Control.Pointer(ctx, name)
	if err != nil {
		return err
	}
	p := operator.ProjectionStatus{Name: name, Versions: pointer.Versions}
	reflected := uint64(0)
	if f.Ledger != nil {
		p.Runs, err = f.RunsOf(ctx, pointer)
		if err = s.Note(ctx, "which rebuilds of "+name+" are under way", err); err != nil {
			return err
		}
	}
	if f.Broken() == nil {
		reflected, err = f.complete(ctx, pointer, s.Applied, s.Head)
		err = s.Note(ctx, "what a rebuild has brought into "+name, err)
	}
	s.Projections = append(s.Projections, p)
	s.Reflected = min(s.Reflected, max(s.Applied, reflected))
	return err
}
