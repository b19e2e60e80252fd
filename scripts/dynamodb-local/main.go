// Command dynamodb-local runs another command with AWS's own DynamoDB Local, whose conditions, transactions
// and limits are the real ones, so that the store contracts are tested on them:
//
//	dynamodb-local go test ./internal/store/dynamo/...
//
// It downloads DynamoDB Local from Maven Central once, and starts it in memory on a free port. It passes the
// command its address (DYNAMODB_ENDPOINT) and the requirement to use it (REQUIRE_DYNAMODB=1). It always stops
// DynamoDB Local, and exits with the command's exit code.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// exitUnable is the exit code when the command could not be run at all.
const exitUnable = 125

// stopLimit is how long a process may take to end when asked to, before it is killed.
const stopLimit = 10 * time.Second

func main() {
	cache := flag.String("cache", filepath.Join(".cache", "dynamodb-local"), "folder to keep DynamoDB Local in")
	heap := flag.String("heap", "512m", "the most memory that DynamoDB Local may use for data")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: dynamodb-local [flags] command [arguments]\n\nRuns the command with DynamoDB Local at $DYNAMODB_ENDPOINT.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(exitUnable)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, *cache, *heap, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dynamodb-local:", err)
	}
	os.Exit(code)
}

// run fetches and starts DynamoDB Local, runs the command, and returns the exit code.
func run(ctx context.Context, cache, heap string, command []string) (int, error) {
	jars, err := fetch(ctx, cache)
	if err != nil {
		return exitUnable, err
	}
	local, err := start(ctx, jars, heap)
	if err != nil {
		return exitUnable, err
	}
	defer local.stop()
	cmd := gently(exec.CommandContext(ctx, command[0], command[1:]...))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "DYNAMODB_ENDPOINT="+local.endpoint, "REQUIRE_DYNAMODB=1")
	err = cmd.Run()
	var exited *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return exitUnable, errors.New("interrupted")
	case errors.As(err, &exited):
		if !exited.Exited() {
			return exitUnable, fmt.Errorf("%s: %w", command[0], err)
		}
		return exited.ExitCode(), nil
	case err != nil:
		return exitUnable, fmt.Errorf("running %s: %w", command[0], err)
	}
	return 0, nil
}

// gently makes the end of the context a request to stop; a process that ignores it is killed.
func gently(cmd *exec.Cmd) *exec.Cmd {
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopLimit
	return cmd
}
