package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"gakushoku/internal/engine/replay"
	"gakushoku/internal/observe"
)

// progress shows the progress of a replay: as a bar on a terminal, as log lines elsewhere.
type progress struct {
	name   string
	size   int64 // of the file in bytes; 0 if unknown
	out    io.Writer
	bars   *mpb.Progress // nil without a terminal
	bar    *mpb.Bar
	events atomic.Int64
	begun  time.Time
}

// newProgress estimates the time left from the size of a file. Pass false for wantBar if log lines would
// break the bar.
func newProgress(p *program, name string, in io.Reader, wantBar bool) *progress {
	g := &progress{name: name}
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			g.size = info.Size()
		}
	}
	if wantBar && isTerminal(p.stderr) {
		g.out = p.stderr
	}
	return g
}

func (g *progress) start(ctx context.Context) {
	g.begun = time.Now()
	if g.out == nil {
		observe.Logger(ctx).Info().Str("from", g.name).Int64("bytes", g.size).Msg("reproject:start")
		return
	}
	// The bar ends with end, not with ctx.
	g.bars = mpb.New(mpb.WithOutput(g.out), mpb.WithWidth(60), mpb.WithAutoRefresh())
	left := decor.Name("")
	if g.size > 0 {
		left = decor.OnComplete(decor.Meta(decor.AverageETA(decor.ET_STYLE_GO), func(s string) string { return ", " + s + " left" }), "")
	}
	g.bar = g.bars.AddBar(g.size,
		mpb.PrependDecorators(decor.Name("reproject", decor.WCSyncSpaceR), decor.Percentage(decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.Any(g.rate), left))
}

// rate returns a text such as "1234567 events, 987654/s".
func (g *progress) rate(decor.Statistics) string {
	n := g.events.Load()
	return fmt.Sprintf("%d events, %.0f/s", n, float64(n)/max(time.Since(g.begun).Seconds(), 1e-9))
}

func (g *progress) update(p replay.Progress) {
	g.events.Store(p.Events)
	if g.bar != nil {
		g.bar.SetCurrent(p.Bytes)
	}
}

func (g *progress) end(ctx context.Context, result *replay.Result, took time.Duration, err error) {
	if g.bars != nil {
		if err != nil {
			g.bar.Abort(false)
		} else {
			g.bar.SetTotal(-1, true)
		}
		g.bars.Wait()
		return
	}
	log := observe.Logger(ctx)
	if err != nil {
		log.Error().Str("from", g.name).Int64(observe.FieldDurationMs, took.Milliseconds()).
			Str(observe.FieldResult, observe.ResultNG).Err(err).Msg("reproject:failed")
		return
	}
	log.Info().Str("from", g.name).Int64("count", result.Events).Int("size", result.Len()).Int64("applied", result.Applied).
		Int64("duplicates", result.Duplicates).Int64("bad", result.Bad).Int("parked", len(result.Parked)).Int("gaps", len(result.Gaps)).
		Int64(observe.FieldDurationMs, took.Milliseconds()).Str(observe.FieldResult, observe.ResultOK).Msg("reproject:done")
}
