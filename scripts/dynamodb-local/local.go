package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// How long DynamoDB Local may take to start, and how often it is polled.
const (
	startLimit = 60 * time.Second
	startLook  = 100 * time.Millisecond
	startTries = 3 // another process may take a free port before Java does
)

// local is a running DynamoDB Local.
type local struct {
	endpoint string
	cmd      *exec.Cmd
	ended    chan struct{} // closed when the process has ended
	output   *tail
}

// start starts DynamoDB Local on a free port and waits until it responds.
func start(ctx context.Context, jars, heap string) (*local, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errors.New("java is not on the PATH: install Java 17 or later (a JRE is enough)")
	}
	for try := 1; ; try++ {
		l, err := startOnce(ctx, java, jars, heap)
		if err == nil || try == startTries || ctx.Err() != nil {
			return l, err
		}
	}
}

func startOnce(ctx context.Context, java, jars, heap string) (*local, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	l := &local{endpoint: fmt.Sprintf("http://127.0.0.1:%d", port), ended: make(chan struct{}), output: &tail{}}
	l.cmd = exec.Command(java, "-Xmx"+heap, "-cp", filepath.Join(jars, "*"),
		"com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
		"-inMemory", "-sharedDb", "-disableTelemetry", "-port", fmt.Sprint(port))
	l.cmd.Stdout, l.cmd.Stderr = l.output, l.output
	if err := l.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting java: %w", err)
	}
	go func() {
		defer close(l.ended)
		l.cmd.Wait() // the output shows how it ended
	}()
	if err := l.ready(ctx); err != nil {
		l.stop()
		return nil, fmt.Errorf("starting DynamoDB Local: %w\n%s", err, l.output)
	}
	return l, nil
}

// ready waits until the server sends any response.
func (l *local) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(startLook)
	defer ticker.Stop()
	for {
		select {
		case <-l.ended:
			return errors.New("java ended at once (Java 17 or later is needed)")
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", l.endpoint, ctx.Err())
		case <-ticker.C:
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.endpoint, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			return nil
		}
	}
}

// stop stops the server and waits until it has ended.
func (l *local) stop() {
	l.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended already
	select {
	case <-l.ended:
	case <-time.After(stopLimit):
		l.cmd.Process.Kill()
		<-l.ended
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// maxTail bounds what is kept of the server's output.
const maxTail = 16 << 10

// tail keeps the end of what is written to it, to be shown if something goes wrong.
type tail struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept.Write(p)
	if extra := t.kept.Len() - maxTail; extra > 0 {
		t.kept.Next(extra)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
