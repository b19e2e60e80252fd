package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"gakushoku/internal/fault/wait"
)

// defaultEndpoint is the address of LocalStack and of emulators that implement its API.
const defaultEndpoint = "http://localhost:4566"

// howToGetOne explains how to get an emulator.
const howToGetOne = `no AWS emulator responds at %s.

Start one that runs Lambda functions, such as
  LocalStack 4.14, the last version that needs no token (with Docker):
    docker run --rm -p 4566:4566 -v /var/run/docker.sock:/var/run/docker.sock localstack/localstack:4.14
  LocalEmu (Python 3.12 or newer, with Docker):
    pip install localemu && localemu start
  ministack (Python 3.10 or newer, no Docker), and AWS_ENDPOINT_URL=http://localhost:4600:
    pip install 'ministack[full]' && GATEWAY_PORT=4600 ministack
or say where it is (AWS_ENDPOINT_URL), or name a program that starts one (EMULATOR_UP)`

// How long an emulator may take to respond: one that was just started is busy.
const (
	emulatorLimit = time.Minute
	emulatorLook  = time.Second
)

// emulator is the emulator in use, with its abilities.
type emulator struct {
	endpoint string
	// parameters are stack parameters that it requires, or that only it supports.
	parameters []string
}

// findEmulator finds an emulator, or starts one if EMULATOR_UP says how. It sets the environment variables
// that AWS's tools read.
func findEmulator(ctx context.Context) (*emulator, error) {
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "SAM_CLI_TELEMETRY": "0",
	} {
		// This prevents the accidental use of a real account's credentials.
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("setting %s: %w", name, err)
		}
	}
	if up := os.Getenv("EMULATOR_UP"); up != "" && status(ctx, endpoint) == 0 {
		say("starting an emulator: %s", up)
		cmd := exec.CommandContext(ctx, up)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("EMULATOR_UP=%s: %w", up, err)
		}
	}
	if err := awaitEmulator(ctx, endpoint); err != nil {
		return nil, err
	}
	found := &emulator{endpoint: endpoint}
	if status(ctx, endpoint+"/_ministack/health") == http.StatusOK {
		// It supports neither saved queries nor alarms with metric math. Its functions are separate processes on this
		// machine that are not given its address. It has Object Lock.
		provider, err := providerHere()
		if err != nil {
			return nil, err
		}
		found.parameters = []string{"WithObservability=false", "EndpointUrl=" + endpoint, "LogLockDays=1", parameterPayments + "=" + provider}
	}
	return found, nil
}

// awaitEmulator waits until the endpoint serves HTTP without a server error.
func awaitEmulator(ctx context.Context, endpoint string) error {
	for deadline, told := time.Now().Add(emulatorLimit), false; ; told = true {
		if s := status(ctx, endpoint); s > 0 && s < http.StatusInternalServerError {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf(howToGetOne, endpoint)
		}
		if !told {
			say("waiting up to %s for an emulator at %s", emulatorLimit, endpoint)
		}
		if err := wait.For(ctx, emulatorLook); err != nil {
			return errors.Join(errInterrupted, err)
		}
	}
}

// status returns the status of the response; 0 if there is none.
func status(ctx context.Context, url string) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}
