package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"gakushoku/internal/wait"
)

// defaultEndpoint is where LocalStack and what speaks its API listen.
const defaultEndpoint = "http://localhost:4566"

// howToGetOne is for whoever has none.
const howToGetOne = `no AWS emulator answers at %s.

Start one that speaks LocalStack's API and runs Lambda functions in containers (Docker is needed), such as
  LocalStack 4.14, the last version that needs no token:
    docker run --rm -p 4566:4566 -v /var/run/docker.sock:/var/run/docker.sock localstack/localstack:4.14
  LocalEmu (Python 3.12 or newer):
    pip install localemu && localemu start
or say where it is (AWS_ENDPOINT_URL), or name a program that starts one (EMULATOR_UP)`

// How long an emulator may take to answer after EMULATOR_UP has ended.
const (
	emulatorLimit = 30 * time.Second
	emulatorLook  = time.Second
)

// emulator finds an emulator, starts one when it is told how, and sets the environment that
// AWS's own tools read.
func emulator(ctx context.Context) (endpoint string, err error) {
	endpoint = os.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "SAM_CLI_TELEMETRY": "0",
	} {
		// Never by chance the credentials of a real account.
		if err := os.Setenv(name, value); err != nil {
			return "", fmt.Errorf("setting %s: %w", name, err)
		}
	}
	if answers(ctx, endpoint) {
		return endpoint, nil
	}
	up := os.Getenv("EMULATOR_UP")
	if up == "" {
		return "", fmt.Errorf(howToGetOne, endpoint)
	}
	say("starting an emulator: %s", up)
	cmd := exec.CommandContext(ctx, up)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("EMULATOR_UP=%s: %w", up, err)
	}
	for deadline := time.Now().Add(emulatorLimit); !answers(ctx, endpoint); {
		if time.Now().After(deadline) {
			return "", fmt.Errorf("EMULATOR_UP=%s has ended well, but %w", up, fmt.Errorf(howToGetOne, endpoint))
		}
		if err := wait.For(ctx, emulatorLook); err != nil {
			return "", errors.Join(errInterrupted, err)
		}
	}
	return endpoint, nil
}

// answers reports whether anything speaks HTTP at the endpoint.
func answers(ctx context.Context, endpoint string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode < http.StatusInternalServerError
}
