package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"gopkg.in/natefinch/lumberjack.v2"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/sink"
)

// Logs are rotated at 100 MB and ten old files are kept (C2 of the requirements).
const (
	logMegabytes = 100
	logFiles     = 10
)

// Spans of slow and failed operations need much less space, and are of interest for a shorter time.
const (
	spanMegabytes = 10
	spanFiles     = 4
)

// outputs are where a server writes about itself: the log file, an optional second log, and the console
// exporter. Each may block or fail without delaying the server.
type outputs struct {
	log, console *sink.Sink
	also         *sink.Sink // nil for none
	logFile      io.Closer
	spanFile     io.Closer
	spans        io.Writer
}

// openOutputs opens the files of a folder. When one output begins to lose lines, the other reports it.
func openOutputs(o *ServeOptions) (*outputs, error) {
	logging, err := wholeLines(LogFile(o.Dir))
	if err != nil {
		return nil, err
	}
	tracing, err := wholeLines(SpanFile(o.Dir))
	if err != nil {
		return nil, err
	}
	file := &lumberjack.Logger{Filename: LogFile(o.Dir), MaxSize: logMegabytes, MaxBackups: logFiles}
	spanFile := &lumberjack.Logger{Filename: SpanFile(o.Dir), MaxSize: spanMegabytes, MaxBackups: spanFiles}
	out := &outputs{logFile: file, spanFile: spanFile}
	tracing.Level = zerolog.Disabled // the log reports what is missing in the spans
	out.spans = sink.Whole(spanFile, tracing)
	logging.Name, logging.Level = "log-file", o.Level
	logging.Failing = failing(o.Level, logging.Name, func() io.Writer {
		if out.also == nil {
			return io.Discard
		}
		return out.also
	})
	out.log = sink.New(file, logging)
	if o.Log != nil {
		out.also = sink.New(o.Log, sink.Options{Name: "stderr", Level: o.Level, Failing: failing(o.Level, "stderr", func() io.Writer { return out.log })})
	}
	console := o.Out
	if console == nil {
		console = os.Stdout
	}
	out.console = sink.New(console, sink.Options{Name: "console", Level: o.Level, Failing: failing(o.Level, "console", func() io.Writer { return out.log })})
	return out, nil
}

// failing reports to another output that one begins to lose lines.
func failing(level zerolog.Level, name string, other func() io.Writer) func(error) {
	return func(err error) {
		logger := observe.NewLogger(other(), level, "server")
		logger.Error().Str("sink", name).Str(observe.FieldResult, observe.ResultNG).Str(observe.FieldErrorClass, string(fault.Infra)).Err(err).Msg("log:failing")
	}
}

// Write writes a log line to all outputs.
func (o *outputs) Write(line []byte) (int, error) {
	o.log.Write(line) //nolint:errcheck // a sink does not fail
	if o.also != nil {
		o.also.Write(line) //nolint:errcheck // likewise
	}
	return len(line), nil
}

// sinks returns the outputs that may lose lines.
func (o *outputs) sinks() []observe.Lossy {
	sinks := []observe.Lossy{o.log, o.console}
	if o.also != nil {
		sinks = append(sinks, o.also)
	}
	return sinks
}

// outputLimit bounds how long a stopping server waits for its outputs.
const outputLimit = time.Second

// close flushes the outputs. A file that is still being written to after the limit stays open:
// closing it would wait for the disk.
func (o *outputs) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), outputLimit)
	defer cancel()
	var closing sync.WaitGroup
	var errs [2]error
	closing.Go(func() {
		if o.log.Close(ctx) == nil {
			errs[0] = o.logFile.Close()
		}
	})
	closing.Go(func() { errs[1] = closeWithin(ctx, o.spanFile) })
	closing.Go(func() { o.console.Close(ctx) }) //nolint:errcheck // there is nowhere to report that the console fails
	if o.also != nil {
		closing.Go(func() { o.also.Close(ctx) }) //nolint:errcheck // likewise
	}
	closing.Wait()
	return errors.Join(errs[:]...)
}

// closeWithin closes a file, but waits no longer than ctx allows.
func closeWithin(ctx context.Context, file io.Closer) error {
	closed := make(chan error, 1)
	go func() { closed <- file.Close() }()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// wholeLines returns the options for appending to a file whose last line may be incomplete, as after a
// killed process.
func wholeLines(path string) (sink.Options, error) {
	torn, err := endsTorn(path)
	if err != nil {
		return sink.Options{}, fmt.Errorf("going on with %s: %w", path, err)
	}
	return sink.Options{Torn: torn, Cut: func(n int64) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()-n)
	}}, nil
}

// endsTorn reports whether a file ends in the middle of a line.
func endsTorn(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, size-1)
	return last[0] != '\n', err
}
