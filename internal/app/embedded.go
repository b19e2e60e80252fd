package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"gopkg.in/natefinch/lumberjack.v2"

	"gakushoku/internal/command"
	"gakushoku/internal/eventlog"
	"gakushoku/internal/health"
	"gakushoku/internal/httpapi"
	"gakushoku/internal/observe"
	"gakushoku/internal/projection"
	"gakushoku/internal/query"
	"gakushoku/internal/telemetry/spanlog"
)

// ServeOptions say how the embedded system runs.
type ServeOptions struct {
	Dir   string            // the data folder
	Addr  string            // where to listen, such as 127.0.0.1:8080
	Level zerolog.Level     // of the log
	Keys  map[string]string // API key -> name of the caller; whoever brings none is anonymous
	Log   io.Writer         // gets the log lines too, besides the log file; nil for none
	Ready func(url string)  // called once requests are answered; may be nil
}

// shutdownLimit bounds how long requests under way may take after the stop signal.
const shutdownLimit = 4 * time.Second

// telemetryLimit bounds how long a server that ends may take to send its last traces.
const telemetryLimit = 2 * time.Second

// Logs are rotated at 100 MB and ten old files are kept (C2 of the requirements).
const (
	logMegabytes = 100
	logFiles     = 10
)

// Spans of what failed or was slow are much less, and soon nobody asks for them any more.
const (
	spanMegabytes = 10
	spanFiles     = 4
)

// Serve runs the whole system in this process until ctx ends: HTTP, projector, archiver, health.
func Serve(ctx context.Context, o ServeOptions) error {
	server, err := OpenServer(ctx, o)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// Server is the embedded system, opened and not running yet. Its parts are made of ports, so
// that an incident can be rehearsed on it with something put between two of them.
type Server struct {
	Commands  *command.Handler
	Queries   *query.Service
	Health    *health.Checker
	Projector *projection.Follower
	Archiver  *eventlog.Follower

	options  ServeOptions
	listener net.Listener
	folder   *Folder
	unlock   func()
}

// OpenServer takes the address and the data folder. Run gives them back.
func OpenServer(ctx context.Context, o ServeOptions) (*Server, error) {
	listener, err := listen(ctx, o.Addr) // first, since it leaves nothing behind when it fails
	if err != nil {
		return nil, err
	}
	folder, err := OpenFolder(ctx, o.Dir)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if err := folder.CheckEvents(ctx); err != nil {
		return nil, errors.Join(err, folder.Close(), listener.Close())
	}
	unlock, err := claimFolder(ctx, o.Dir)
	if err != nil {
		return nil, errors.Join(err, folder.Close(), listener.Close())
	}
	if err := folder.tellServed(); err != nil {
		unlock()
		return nil, errors.Join(err, folder.Close(), listener.Close())
	}
	return &Server{
		Commands: folder.Commands(), Queries: folder.Queries(), Health: folder.Health(),
		Projector: folder.Follower(), Archiver: folder.ArchiveFollower(),
		options: o, listener: listener, folder: folder, unlock: unlock,
	}, nil
}

// Run serves until ctx ends, and closes the server.
func (s *Server) Run(ctx context.Context) error {
	defer s.listener.Close()
	defer s.unlock()
	logFile := &lumberjack.Logger{Filename: LogFile(s.options.Dir), MaxSize: logMegabytes, MaxBackups: logFiles}
	lines, err := openWholeLines(logFile.Filename, logFile, s.options.Level)
	if err != nil {
		return errors.Join(err, s.folder.Close())
	}
	spanFile := &lumberjack.Logger{Filename: SpanFile(s.options.Dir), MaxSize: spanMegabytes, MaxBackups: spanFiles}
	spanLines, err := openWholeLines(spanFile.Filename, spanFile, zerolog.Disabled)
	if err != nil {
		return errors.Join(err, s.folder.Close(), logFile.Close())
	}
	var out io.Writer = lines
	if s.options.Log != nil {
		out = tee{lines, s.options.Log}
	}
	logger := observe.NewLogger(out, s.options.Level, "server")
	sent, err := openTelemetry(ctx, os.Getenv, logger, spanlog.New(whilePlacedWriter{s.options.Dir, s.folder.opened, spanLines.Write}))
	if err == nil {
		err = s.serve(observe.WithMetrics(observe.WithTracer(observe.WithLogger(ctx, logger), sent.Tracer()), sent.Metrics()), logger, sent)
	}
	// Only now does nobody record any more. What is waiting has a moment to be sent.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryLimit)
	defer cancel()
	if err := sent.Close(last); err != nil {
		logger.Warn().Err(err).Msg("telemetry:not-sent")
	}
	return errors.Join(err, s.folder.Close(), spanFile.Close(), logFile.Close())
}

// tee gives what is written to each writer, whatever becomes of the others: a full disk must not
// silence standard error.
type tee []io.Writer

func (t tee) Write(p []byte) (int, error) {
	var errs []error
	for _, w := range t {
		_, err := w.Write(p)
		errs = append(errs, err)
	}
	return len(p), errors.Join(errs...)
}

// listen takes the address, or says what to do.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err == nil {
		return listener, nil
	}
	advice := "--addr takes HOST:PORT, such as 127.0.0.1:8080"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "another server is running there, stop it or choose another --addr"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "this machine has no such address, choose another --addr"
	case errors.Is(err, fs.ErrPermission):
		advice = "this user may not listen there, choose an --addr with a port above 1023"
	}
	return nil, fmt.Errorf("cannot listen on %s: %s: %w", addr, advice, err)
}

func (s *Server) serve(ctx context.Context, logger zerolog.Logger, sent *sending) error {
	o := &s.options
	if err := sent.watch(s.folder); err != nil {
		return err
	}
	handler, err := httpapi.New(httpapi.Config{
		Commands: s.Commands, Queries: s.Queries, Health: s.Health, Logger: logger, Identify: identify(o.Keys), Tracer: observe.TracerOf(ctx), Metrics: sent.Metrics(),
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() {
		projecting := observe.WithLogger(ctx, logger.With().Str(observe.FieldFunction, "projector").Logger())
		if err := s.Projector.Run(projecting); err != nil {
			logger.Error().Err(err).Msg("projection:stopped")
		}
	})
	running.Go(func() {
		archiving := observe.WithLogger(ctx, logger.With().Str(observe.FieldFunction, "archiver").Logger())
		if err := s.Archiver.Run(archiving); err != nil {
			logger.Error().Err(err).Msg("archive:stopped")
		}
	})
	running.Go(func() { s.folder.watchPlace(ctx) })
	server := &http.Server{Handler: sent.handler(handler), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	ended := make(chan error, 1)
	running.Go(func() { ended <- server.Serve(s.listener) })
	logger.Info().Str("addr", s.listener.Addr().String()).Str("data", o.Dir).Msg("server:start")
	if told := s.folder.readable(); told != "" {
		logger.Warn().Str("error", told).Msg("server:readable")
	}
	if o.Ready != nil {
		o.Ready("http://" + s.listener.Addr().String())
	}
	select {
	case err := <-ended:
		return fmt.Errorf("the server ended: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		logger.Warn().Err(err).Msg("server:cut-off")
		server.Close() //nolint:errcheck // the listener is closed already
	}
	logger.Info().Msg("server:stop")
	return nil
}

// identify knows callers by the API key that they bring in x-api-key; who brings none is nobody, and
// so is everyone where there are no keys. Comparing digests keeps the time it takes from telling how
// much of a key was right.
func identify(keys map[string]string) func(*http.Request) (observe.Caller, error) {
	names := make(map[[sha256.Size]byte]string, len(keys))
	for key, name := range keys {
		names[sha256.Sum256([]byte(key))] = name
	}
	return func(r *http.Request) (observe.Caller, error) {
		shown := r.Header.Values("x-api-key")
		if len(names) == 0 || len(shown) == 0 {
			return observe.Caller{}, nil
		}
		name, ok := names[sha256.Sum256([]byte(shown[0]))]
		if !ok || len(shown) > 1 {
			return observe.Caller{}, httpapi.ErrWrongKey
		}
		return observe.Caller{Name: name}, nil
	}
}
