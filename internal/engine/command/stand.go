package command

import (
	"context"
	"fmt"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// stand returns the state that a command is decided on, its version, and the history that led to it unless a part
// of it was kept. If the command was executed before, it returns the first outcome instead.
func stand[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], r prepared[C]) (state S, version uint64, history []event.Event, first *Result[S], err error) {
	caller := observe.CallerOf(ctx).Name
	history = r.Known
	if history == nil {
		if state, version, ok, err := advance(ctx, h, d, r, caller); ok || err != nil {
			return state, version, nil, nil, err
		}
		if history, err = (observedStreams{h.Streams}).Load(ctx, r.stream, 0); err != nil {
			return state, 0, nil, nil, fmt.Errorf("loading %s: %w", r.stream, err)
		}
	}
	if first, ok, err := repeated(d, r, caller, history); ok || err != nil {
		return state, 0, history, &first, err
	}
	if state, err = fold(d, state, history); err != nil {
		return state, 0, nil, nil, unfoldable{err}
	}
	version = uint64(len(history))
	h.Cache.keep(r.stream, state, version, history, d.Snapshots != nil)
	return state, version, history, nil, nil
}

// advance brings the state that is kept of a stream up to date. It returns false if none is kept, or if only the
// whole stream tells whether the command was executed before.
func advance[S any, C model.Command](ctx context.Context, h *Handler, d model.Decider[S, C], r prepared[C], caller string) (state S, version uint64, ok bool, err error) {
	command := digest(caller, r.Key)
	kept, repeat := h.Cache.of(r.stream, command)
	if kept == nil && recall(ctx, h.Cache, d, r.stream) {
		kept, repeat = h.Cache.of(r.stream, command)
	}
	if kept == nil || repeat {
		return state, 0, false, nil
	}
	newer, ok, err := newerThan(ctx, h, r.stream, kept)
	if !ok || err != nil {
		return state, 0, false, err
	}
	version = kept.version
	for i := range newer {
		if newer[i].Version != version+1+uint64(i) || newer[i].CommandID == r.Key && newer[i].Actor == caller {
			return state, 0, false, nil
		}
	}
	if state, err = fold(d, kept.state.(S), newer); err != nil {
		return state, 0, false, unfoldable{err}
	}
	version += uint64(len(newer))
	h.Cache.keep(r.stream, state, version, newer, d.Snapshots != nil)
	return state, version, true, nil
}

// newerThan returns the events after what is kept of a stream. It returns false, and forgets what is kept, if that
// is not a state of this stream.
func newerThan(ctx context.Context, h *Handler, stream string, kept *folded) ([]event.Event, bool, error) {
	after := kept.version
	if kept.unproven != "" {
		after-- // the event that vouches for the snapshot comes too
	}
	newer, err := observedStreams{h.Streams}.Load(ctx, stream, after)
	if err != nil {
		return nil, false, fmt.Errorf("loading what is new of %s: %w", stream, err)
	}
	if kept.unproven != "" {
		if len(newer) == 0 || newer[0].Version != kept.version || newer[0].ID != kept.unproven {
			h.Cache.forget(stream)
			return nil, false, nil
		}
		h.Cache.prove(stream, kept.unproven)
		newer = newer[1:]
	}
	if kept.doubtful && len(newer) == 0 {
		h.Cache.forget(stream)
		return nil, false, nil
	}
	return newer, true, nil
}
