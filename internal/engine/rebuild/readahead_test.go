package rebuild

import (
	"context"
	"errors"
	"testing"

	"gakushoku/internal/engine/eventlog"
)

// deafLog reads whatever becomes of the context.
type deafLog struct{ Log }

func (deafLog) ReadFrame(context.Context, *eventlog.Manifest, eventlog.Frame, []byte) ([]byte, error) {
	return []byte("{}"), nil
}

func TestReadingThatIsCutOffIsNotTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e := &Engine{Log: deafLog{}}
	frames, read := make([]WorkFrame, 1000), 0
	var end error
	for _, err := range e.readAhead(ctx, frames) {
		if end = err; err == nil {
			read++
			cancel()
		}
	}
	if read == 0 || read == len(frames) || !errors.Is(end, context.Canceled) {
		t.Errorf("%d of %d frames were read, then %v", read, len(frames), end)
	}
}
