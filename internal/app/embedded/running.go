package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/callers"
	"gakushoku/internal/app/wiring"
	"gakushoku/internal/edge/console"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/httpserver"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/spanlog"
	"gakushoku/internal/operate/health"
)

// The time limits of the successive phases of a stop: for requests in progress, for handlers whose client was
// cut off, for events that have not reached the read models or the log, for the last traces.
const (
	shutdownLimit  = 4 * time.Second
	handlerLimit   = time.Second
	drainLimit     = 3 * time.Second
	telemetryLimit = 2 * time.Second
)

// Run serves until ctx ends, and closes the server.
func (s *Server) Run(ctx context.Context) error {
	out, err := openOutputs(&s.options)
	if err != nil {
		return errors.Join(err, s.close())
	}
	logger := observe.NewLogger(out, s.options.Level, "server")
	sent, err := openTelemetry(ctx, os.Getenv, logger, out.console, spanlog.New(whilePlacedWriter{s.options.Dir, s.folder.opened, out.spans.Write}))
	if err == nil {
		err = sent.Metrics().WatchLost(append(out.sinks(), sent.Sinks()...)...)
	}
	if err == nil {
		r := &running{Server: s, logger: logger, sent: sent}
		err = r.run(observe.WithMetrics(observe.WithTracer(observe.WithLogger(ctx, logger), sent.Tracer()), sent.Metrics()))
	}
	// Nothing is recorded from here on. Buffered spans and metrics get a moment to be sent.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryLimit)
	defer cancel()
	if err := sent.Close(last); err != nil {
		logger.Warn().Err(err).Msg("telemetry:not-sent")
	}
	err = errors.Join(err, s.close())
	return errors.Join(err, out.close())
}

// running is a running server.
type running struct {
	*Server
	logger   zerolog.Logger
	sent     *sending
	stopping atomic.Bool

	pages   *console.Console
	public  *httpserver.Server
	private *httpserver.Server // for operators; may be nil
}

// run serves until ctx ends, and then stops in an order that loses nothing: it keeps accepting requests for a
// while, finishes those in progress, and brings their events into the read models and the log. The caller
// closes the stores.
func (r *running) run(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	if err := r.folder.skipAhead(ctx); err != nil {
		r.logger.Warn().Err(err).Msg("projection:late-delayed")
	}
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	var working, answering sync.WaitGroup
	r.follow(work, &working)
	working.Go(func() { r.folder.watchPlace(work) })
	working.Go(func() { r.pages.Run(ctx) }) // live pages end when the stop begins, so that it does not wait for them
	working.Go(func() { r.later.Run(work) })
	working.Go(func() { r.maintainEachWeek(work) })
	if r.Backups != nil {
		working.Go(func() { r.Backups.Run(observe.WithMetrics(r.named(work, "backup"), r.sent.Metrics())) })
	}
	working.Go(func() { r.folder.bringLate(r.named(work, "projector")) })
	ended := make(chan error, 2)
	for _, server := range []*httpserver.Server{r.public, r.private} {
		if server != nil {
			answering.Go(func() { ended <- server.Serve() })
		}
	}
	r.announce()
	var failed error
	select {
	case err := <-ended:
		failed = fmt.Errorf("the server ended: %w", err)
	case <-ctx.Done():
	}
	r.stopRequests(ctx)
	stopWork()
	working.Wait()
	r.drain(context.WithoutCancel(ctx))
	r.stopPrivate(ctx)
	answering.Wait()
	r.logger.Info().Msg("server:stop")
	return failed
}

// open builds the HTTP servers.
func (r *running) open(ctx context.Context) error {
	checker := *r.Health
	checker.Probes = append(slices.Clip(checker.Probes), health.Serving(r.stopping.Load))
	config := httpapi.Config{
		Commands: r.Commands, Queries: r.Queries, Health: &checker, Logger: r.logger, Tracer: observe.TracerOf(ctx), Metrics: r.sent.Metrics(),
		Details: detailsFor(r.listener.Addr()), Complete: r.folder.Counter(r.options.Guests).Complete, After: wiring.Inline(r.Checkout), CardProvider: r.options.Payments != nil,
		Refused: r.refusals(), Follows: r.duty.following,
	}
	if err := callers.Apply(&config, r.folder.Control, r.callers()); err != nil {
		return err
	}
	refuse := func(status int, reason string) []byte { return httpapi.Refusal(ctx, status, reason) }
	open := func(l net.Listener, config httpapi.Config, limits httpserver.Limits, around func(http.Handler) (http.Handler, error)) (*httpserver.Server, error) {
		handler, err := httpapi.New(config)
		if err == nil {
			handler, err = around(handler)
		}
		if err != nil {
			return nil, err
		}
		return httpserver.New(l, httpserver.Options{Handler: handler, Refuse: refuse, Limits: limits, Logger: r.logger}), nil
	}
	var err error
	public := func(api http.Handler) (http.Handler, error) {
		r.pages = console.New(console.Config{API: api, Feed: r.folder.Events, CardProvider: config.CardProvider, Logger: r.logger})
		return acceptTraces(r.pages.Around(api))
	}
	if r.public, err = open(r.listener, config, httpserver.Limits{Connections: r.options.Connections}, public); err != nil {
		return err
	}
	if r.ops != nil {
		config.Parts = httpapi.PartHealth
		if loopback(r.ops.Addr()) {
			config.Details = func(*http.Request) bool { return true }
		}
		metrics := func(next http.Handler) (http.Handler, error) { return r.sent.handler(next, r.guarded(config)) }
		if r.private, err = open(r.ops, config, httpserver.Limits{Connections: opsConnections}, metrics); err != nil {
			return err
		}
	}
	return errors.Join(r.sent.watch(r.folder), r.sent.Metrics().WatchConnections(r.public.Connections))
}

// follow starts the projector, and what writes events or the log, once this is not a standby any more.
func (r *running) follow(ctx context.Context, working *sync.WaitGroup) {
	run := func(name, stopped string, run func(context.Context) error) {
		working.Go(func() {
			if err := run(r.named(ctx, name)); err != nil {
				r.logger.Error().Err(err).Msg(stopped)
			}
		})
	}
	run("projector", "projection:stopped", r.Projector.Run)
	working.Go(func() {
		if r.folder.follows() && !r.duty.follow(r.measured(ctx, "standby")) {
			return
		}
		working.Go(func() { r.Checkout.Run(r.named(ctx, "checkout")) })
		working.Go(func() { r.sealEachHour(ctx) })
		run("archiver", "archive:stopped", r.Archiver.Run)
		if r.duty != nil {
			r.duty.run(r.measured(ctx, "replicator"))
		}
	})
}

// named returns a context for a component of the server that has its own name in log lines.
func (r *running) named(ctx context.Context, function string) context.Context {
	return observe.WithLogger(ctx, r.logger.With().Str(observe.FieldFunction, function).Logger())
}

func (r *running) announce() {
	line, ops := r.logger.Info().Str("addr", r.listener.Addr().String()), Operators{Everybody: !r.closed}
	if r.private != nil {
		ops.URL, ops.Metrics = r.private.URL(), r.sent.scraped != nil
		line = line.Str("opsAddr", r.ops.Addr().String())
	}
	line.Str("data", r.options.Dir).Msg("server:start")
	if !r.closed {
		r.logger.Warn().Msg("identity:everybody")
	}
	if told := r.folder.readable(); told != "" {
		r.logger.Warn().Str("error", told).Msg("server:readable")
	}
	if r.options.Ready != nil {
		r.options.Ready(r.public.URL(), ops)
	}
}

// stopRequests announces the stop, keeps serving during the grace period, and lets the requests in progress
// finish.
func (r *running) stopRequests(ctx context.Context) {
	r.stopping.Store(true)
	r.public.Retire()
	r.logger.Info().Dur("graceMs", r.options.Grace).Msg("server:stopping")
	grace := time.NewTimer(r.options.Grace)
	defer grace.Stop()
	select {
	case <-grace.C:
	case <-r.options.Hurry:
	}
	r.shut(ctx, r.public, shutdownLimit)
}

// stopPrivate stops the operators' server last, so that operators can watch the rest of the stop.
func (r *running) stopPrivate(ctx context.Context) {
	if r.private != nil {
		r.shut(ctx, r.private, handlerLimit)
	}
}

// shut stops an HTTP server, and logs if requests were cut off.
func (r *running) shut(ctx context.Context, server *httpserver.Server, limit time.Duration) {
	ctx = context.WithoutCancel(ctx)
	soon, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := server.Stop(soon); err != nil {
		last, cancel := context.WithTimeout(ctx, handlerLimit)
		defer cancel()
		r.logger.Warn().Err(errors.Join(err, server.Wait(last))).Msg("server:cut-off")
	}
}

// drain brings the last events into the read models and the log, and logs if that takes too long: the next
// start continues there.
func (r *running) drain(ctx context.Context) {
	if err := r.folder.InPlace(); err != nil { // nothing may be written to files that are gone
		r.notDrained(ctx, "server:not-drained", err)
		return
	}
	limited, cancel := context.WithTimeout(ctx, cmp.Or(r.options.Drain, drainLimit))
	defer cancel()
	var draining sync.WaitGroup
	for _, f := range []struct {
		name, left string
		run        func(context.Context) error
	}{{"projector", "projection:not-drained", r.Projector.CatchUp}, {"archiver", "archive:not-drained", r.archiveRest}} {
		draining.Go(func() {
			if err := f.run(r.named(limited, f.name)); err != nil {
				r.notDrained(ctx, f.left, err)
			}
		})
	}
	draining.Wait()
	if r.folder.follows() {
		return
	}
	if r.duty != nil {
		if err := r.duty.last(r.named(limited, "replicator")); err != nil {
			r.notDrained(ctx, "replica:not-drained", err)
		}
	}
	r.sealLast(ctx)
}

// notDrained logs what is left for the next start.
func (r *running) notDrained(ctx context.Context, message string, err error) {
	line := r.logger.Error().Str(observe.FieldResult, observe.ResultNG).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err)
	if head, applied, _, err := r.folder.lag(ctx); err == nil {
		line = line.Uint64("head", head).Uint64("applied", applied)
	}
	if waiting, err := r.folder.ArchiveFollower().Waiting(ctx); err == nil {
		line = line.Uint64("notInLog", waiting)
	}
	line.Msg(message)
}
