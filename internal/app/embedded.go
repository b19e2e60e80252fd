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
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"gopkg.in/natefinch/lumberjack.v2"

	"gakushoku/internal/httpapi"
	"gakushoku/internal/observe"
	"gakushoku/internal/telemetry"
	"gakushoku/internal/telemetry/otlp"
	"gakushoku/internal/telemetry/promtext"
	"gakushoku/internal/wait"
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

// Serve runs the whole system in this process until ctx ends: HTTP, projector, archiver, health.
func Serve(ctx context.Context, o ServeOptions) error {
	listener, err := listen(ctx, o.Addr) // first, since it leaves nothing behind when it fails
	if err != nil {
		return err
	}
	defer listener.Close()
	folder, err := OpenFolder(ctx, o.Dir)
	if err != nil {
		return err
	}
	unlock, err := claimFolder(ctx, o.Dir)
	if err != nil {
		return errors.Join(err, folder.Close())
	}
	defer unlock()
	logFile := &lumberjack.Logger{Filename: LogFile(o.Dir), MaxSize: logMegabytes, MaxBackups: logFiles}
	var out io.Writer = logFile
	if o.Log != nil {
		out = tee{logFile, o.Log}
	}
	logger := observe.NewLogger(out, o.Level, "server")
	sent, err := telemetry.Open(ctx, telemetry.Options{Function: "server", Getenv: os.Getenv, Out: os.Stdout, Logger: logger, More: otlp.Spans()})
	if err == nil {
		err = serve(observe.WithTracer(observe.WithLogger(ctx, logger), sent.Tracer()), folder, listener, o, logger)
	}
	// Only now does nobody record any more. What is waiting has a moment to be sent.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryLimit)
	defer cancel()
	if err := sent.Close(last); err != nil {
		logger.Warn().Err(err).Msg("telemetry:not-sent")
	}
	return errors.Join(err, folder.Close(), logFile.Close())
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

func serve(ctx context.Context, folder *Folder, listener net.Listener, o ServeOptions, logger zerolog.Logger) error {
	reader := sdkmetric.NewManualReader()
	metrics, err := observe.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("gakushoku"))
	if err != nil {
		return fmt.Errorf("making the metrics: %w", err)
	}
	ctx = observe.WithMetrics(ctx, metrics)
	handler, err := httpapi.New(httpapi.Config{
		Commands: folder.Commands(), Queries: folder.Queries(), Health: folder.Health(), Logger: logger, Identify: identify(o.Keys), Tracer: observe.TracerOf(ctx), Metrics: metrics,
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
		if err := folder.Follower().Run(projecting); err != nil {
			logger.Error().Err(err).Msg("projection:stopped")
		}
	})
	running.Go(func() {
		archiving := observe.WithLogger(ctx, logger.With().Str(observe.FieldFunction, "archiver").Logger())
		if err := folder.ArchiveFollower().Run(archiving); err != nil {
			logger.Error().Err(err).Msg("archive:stopped")
		}
	})
	server := &http.Server{Handler: withMetrics(handler, reader), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	ended := make(chan error, 1)
	running.Go(func() { ended <- server.Serve(listener) })
	logger.Info().Str("addr", listener.Addr().String()).Str("data", o.Dir).Msg("server:start")
	if o.Ready != nil {
		o.Ready("http://" + listener.Addr().String())
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

// withMetrics serves /metrics beside the interface. It is not in the contract on purpose: only
// this server has it, for the Prometheus of whoever runs it; API Gateway never shows it.
func withMetrics(next http.Handler, reader sdkmetric.Reader) http.Handler {
	metrics := promtext.Handler(reader)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" && r.Method == http.MethodGet {
			metrics.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// identify knows callers by the API key that they bring in x-api-key. Comparing digests keeps
// the time it takes from telling how much of a key was right.
func identify(keys map[string]string) func(*http.Request) observe.Caller {
	names := make(map[[sha256.Size]byte]string, len(keys))
	for key, name := range keys {
		names[sha256.Sum256([]byte(key))] = name
	}
	return func(r *http.Request) observe.Caller {
		return observe.Caller{Name: names[sha256.Sum256([]byte(r.Header.Get("x-api-key")))]}
	}
}

// claimFolder locks the folder for a server. A rebuild takes the lock for a moment, to see
// whether there is a server, so once is not enough.
func claimFolder(ctx context.Context, dir string) (unlock func(), err error) {
	for range 5 {
		if unlock, err = lockFolder(dir); err == nil {
			return unlock, nil
		}
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// lockFolder keeps a second server off the folder: two would rotate each other's log away.
func lockFolder(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "serve.lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	if err := tryLock(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is being served by another process: stop it first, or choose another --data folder", dir), file.Close())
	}
	return func() { file.Close() }, nil
}
