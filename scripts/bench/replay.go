package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/projection"
	"gakushoku/internal/reproject"
)

func runReplay(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	logApply := flags.Bool("log-apply", false, "")
	totals := flags.Bool("totals", false, "")
	workers := flags.Int("workers", 0, "")
	chunk := flags.Int("chunk", 0, "")
	gc := flags.Int("gc", 100, "")
	prof := flags.String("cpuprofile", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	debug.SetGCPercent(*gc)
	if *prof != "" {
		f, _ := os.Create(*prof)
		pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
	}
	o := reproject.Options{Definition: projection.Orders(), Workers: *workers, ChunkBytes: *chunk}
	if *logApply {
		o.EventLog = reproject.NewEventLog(os.Stdout, zerolog.InfoLevel, "reproject")
	}
	start := time.Now()
	r, err := reproject.FromFile(ctx, flags.Arg(0), o)
	if err != nil {
		return err
	}
	d := time.Since(start)
	out := map[string]any{"progress": r.Progress, "applied": r.Applied, "rows": r.Len(), "parked": len(r.Parked), "gaps": len(r.Gaps), "perSecond": float64(r.Events) / d.Seconds()}
	if *totals {
		t, err := r.Totals(ctx)
		if err != nil {
			return err
		}
		out["days"] = len(t)
		out["total"] = time.Since(start).Seconds()
	}
	return json.NewEncoder(os.Stderr).Encode(out)
}
