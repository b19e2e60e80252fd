package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// The time limits in the stack's parameters: as short as possible, since a rebuild waits for both.
const (
	pointerTTL       = time.Second
	projectorTimeout = 15 * time.Second
)

// removeLimit bounds how long deleting a stack may take.
const removeLimit = 3 * time.Minute

// deployment is a deployed stack.
type deployment struct {
	options
	stacks              *cloudformation.Client
	outputs, parameters map[string]string
}

// deploy builds and deploys the stack, unless the flags name an existing one.
func deploy(ctx context.Context, o options, on *emulator, fresh bool) (*deployment, error) {
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	d := &deployment{options: o, stacks: cloudformation.NewFromConfig(cloud), outputs: map[string]string{}, parameters: map[string]string{}}
	if !fresh && d.readOutputs(ctx) == nil {
		say("using stack %s as it is", o.stack)
		return d, nil
	}
	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	if architecture == "" {
		return nil, fmt.Errorf("there are no Lambda functions for %s", runtime.GOARCH)
	}
	started, parameters := time.Now(), "Architecture="+architecture
	if !o.built {
		if err := d.sam(ctx, []string{"ARCHITECTURE=" + architecture}, "build", "--build-in-source", "--parallel", "--parameter-overrides", parameters); err != nil {
			return nil, err
		}
		say("built in %s", time.Since(started).Round(time.Second))
		started = time.Now()
	}
	// The functions log their spans, from which a trace is followed; an emulator has no X-Ray.
	err = d.sam(ctx, nil, append([]string{"deploy", "--stack-name", o.stack, "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
		"--parameter-overrides", parameters, "PointerTtl=" + pointerTTL.String(), fmt.Sprintf("ProjectorTimeout=%d", int(projectorTimeout.Seconds())), "LogLevel=debug", "TracesExporter=console", "AllowAnonymous=true"}, on.parameters...)...)
	if err != nil {
		return nil, err
	}
	say("deployed as %s in %s", o.stack, time.Since(started).Round(time.Second))
	return d, d.readOutputs(ctx)
}

// remove deletes the stack. Retained resources (tables, the log) stay in the emulator. `sam delete` fails
// there: it does not know an emulator's addresses of nested templates.
func (d *deployment) remove(ctx context.Context) error {
	if _, err := d.stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &d.stack}); err != nil {
		return fmt.Errorf("deleting stack %s: %w", d.stack, err)
	}
	deleted := cloudformation.NewStackDeleteCompleteWaiter(d.stacks, func(o *cloudformation.StackDeleteCompleteWaiterOptions) { o.MinDelay = time.Second })
	if err := deleted.Wait(ctx, &cloudformation.DescribeStacksInput{StackName: &d.stack}, removeLimit); err != nil {
		return fmt.Errorf("waiting until stack %s is deleted: %w", d.stack, err)
	}
	return nil
}

func (d *deployment) readOutputs(ctx context.Context) error {
	found, err := d.stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &d.stack})
	if err != nil {
		return fmt.Errorf("reading the outputs of stack %s: %w", d.stack, err)
	}
	for _, s := range found.Stacks {
		for _, o := range s.Outputs {
			d.outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
		}
		for _, p := range s.Parameters {
			d.parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
		}
	}
	if d.outputs["ApiId"] == "" {
		return fmt.Errorf("stack %s has no output ApiId", d.stack)
	}
	return nil
}

// sam runs SAM with additional environment variables.
func (d *deployment) sam(ctx context.Context, environment []string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, d.options.sam, arguments...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), environment...)
	said, err := cmd.CombinedOutput()
	if d.verbose {
		os.Stdout.Write(said)
	}
	if err != nil {
		return fmt.Errorf("sam %s: %w\n%s", strings.Join(arguments, " "), err, said)
	}
	return nil
}
