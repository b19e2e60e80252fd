package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// dynamoEndpointEnv is the address of a DynamoDB Local, as scripts/dynamodb-local sets it.
const dynamoEndpointEnv = "DYNAMODB_ENDPOINT"

// dynamoLocal is a running DynamoDB Local.
type dynamoLocal struct {
	endpoint string
	stop     func()
}

// startDynamoLocal returns the DynamoDB Local given by the environment. Otherwise it starts one with
// scripts/dynamodb-local, which downloads it if needed and reports what is missing.
func startDynamoLocal(ctx context.Context) (*dynamoLocal, error) {
	if endpoint := os.Getenv(dynamoEndpointEnv); endpoint != "" {
		return &dynamoLocal{endpoint, func() {}}, nil
	}
	dir, err := cacheDir("bin")
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "dynamodb-local")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./scripts/dynamodb-local").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building dynamodb-local: %w\n%s", err, output)
	}
	// It runs as long as its command, which prints the endpoint and then waits for us.
	cmd := exec.CommandContext(ctx, program, "sh", "-c", `echo "$`+dynamoEndpointEnv+`"; read -r wait`)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it must stop Java
	cmd.WaitDelay = 20 * time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "starting DynamoDB Local; the first time it is fetched from Maven Central")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting dynamodb-local: %w", err)
	}
	stop := func() {
		hold.Close()
		cmd.Wait() //nolint:errcheck // its exit code does not matter
	}
	endpoint, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		stop()
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return nil, errors.Join(ctx.Err(), errors.New(lines[len(lines)-1]))
	}
	return &dynamoLocal{strings.TrimSpace(endpoint), stop}, nil
}

// client returns a client of DynamoDB Local, which accepts any credentials.
func (d *dynamoLocal) client(options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(d.endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}, options...)
}
