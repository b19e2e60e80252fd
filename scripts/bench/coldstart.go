package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"gakushoku/internal/rehearse/loadgen"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// startLimit bounds how long a function may take until it first asks for an invocation.
const startLimit = 20 * time.Second

// bareFunction is the baseline.
const bareFunction = "./scripts/bench/bare"

// runColdStart measures how long each function takes from its start until it first asks the Lambda runtime
// for an invocation, and how large its binary is, compared with a bare handler.
func runColdStart(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("coldstart", flag.ContinueOnError)
	rounds := flags.Int("rounds", 15, "starts of each function")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gakushoku-coldstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mains, err := filepath.Glob("functions/*/main.go")
	if err != nil || len(mains) == 0 {
		return errors.Join(errors.New("there are no functions here: run this in the folder of go.mod"), err)
	}
	packages := []string{bareFunction}
	for _, main := range mains {
		packages = append(packages, "./"+filepath.Dir(main))
	}
	times := map[string][]float64{}
	for _, p := range packages {
		if err := buildFunction(ctx, p, binary(dir, p)); err != nil {
			return err
		}
	}
	var failures []error
	for range *rounds { // interleaved, so that a slow moment of the machine affects all of them
		packages = slices.DeleteFunc(packages, func(p string) bool {
			took, err := timeToNext(ctx, binary(dir, p))
			if err != nil {
				failures = append(failures, fmt.Errorf("starting %s: %w", p, err))
				return true
			}
			times[p] = append(times[p], took.Seconds()*1000)
			return false
		})
	}
	return errors.Join(append(failures, reportColdStart(r, dir, packages, times))...)
}

// reportColdStart compares each function with the first, the bare one.
func reportColdStart(r *report, dir string, packages []string, times map[string][]float64) error {
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "function\tstart ms p50\tstart ms p95\tbinary MB\t")
	var bareSize float64
	for _, p := range packages {
		info, err := os.Stat(binary(dir, p))
		if err != nil {
			return err
		}
		name, size, start := filepath.Base(p), float64(info.Size())/1e6, loadgen.Percentile(times[p], 50)
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t\n", name, start, loadgen.Percentile(times[p], 95), size)
		if p == bareFunction {
			bareSize = size
			continue
		}
		r.add(figure{what: name + ": start to first /next", ours: start, unit: "ms", baseline: "bare handler", theirs: loadgen.Percentile(times[bareFunction], 50)})
		r.add(figure{what: name + ": binary", ours: size, unit: "MB", baseline: "bare handler", theirs: bareSize})
	}
	return table.Flush()
}

func binary(dir, pkg string) string { return filepath.Join(dir, filepath.Base(pkg)) }

// buildFunction builds a function as the Makefile does for Lambda, but for this machine.
func buildFunction(ctx context.Context, pkg, out string) error {
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, output)
	}
	return nil
}

// timeToNext starts a function with a stand-in for the runtime interface and waits for its first
// GET .../invocation/next.
func timeToNext(ctx context.Context, path string) (time.Duration, error) {
	asked := make(chan time.Time, 1)
	gone := make(chan struct{})
	runtime := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/next") {
			select {
			case asked <- time.Now():
			default:
			}
			<-gone
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer runtime.Close()
	defer close(gone)
	function := exec.CommandContext(ctx, path)
	function.Env = append(os.Environ(),
		"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(runtime.URL, "http://"), "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none", "AWS_LAMBDA_FUNCTION_NAME=bench",
		"EVENT_TABLE=events", "CONTROL_TABLE=control", "READ_MODEL_PREFIX=bench-", "LOG_BUCKET=log", "PROJECTOR_TIMEOUT=30s",
		"ALLOW_ANONYMOUS=true", "AUDIT_KEY=none",
		"STATE_MACHINE_ARN=arn:aws:states:us-east-1:123456789012:stateMachine:bench")
	var said bytes.Buffer
	function.Stdout, function.Stderr = &said, &said
	started := time.Now()
	if err := function.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- function.Wait() }()
	defer func() {
		function.Process.Kill() //nolint:errcheck // fails if it has ended
		<-ended
	}()
	select {
	case at := <-asked:
		return at.Sub(started), nil
	case err := <-ended:
		ended <- err
		return 0, fmt.Errorf("it ended before it asked for work: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	case <-time.After(startLimit):
		return 0, fmt.Errorf("it did not ask for work within %s", startLimit)
	}
}
