package runbook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// waitForChildren is how long a block that was stopped may hold on to its output.
const waitForChildren = 5 * time.Second

// Run runs the commands with bash in a folder, as somebody does who pastes them; the first that
// fails ends them. What they have started is stopped with them when ctx ends. The environment is env and nothing else. It fails when the exit code is
// another than the page says; the output is in the error then.
func (b *Block) Run(ctx context.Context, dir string, env []string) (output string, err error) {
	var out bytes.Buffer
	bash := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", b.Commands)
	bash.Dir, bash.Env, bash.Stdout, bash.Stderr, bash.WaitDelay = dir, env, &out, &out, waitForChildren
	stopTogether(bash)
	err = bash.Run()
	var exited *exec.ExitError
	if err != nil && (!errors.As(err, &exited) || ctx.Err() != nil) {
		return out.String(), fmt.Errorf("line %d: running bash: %w\n%s%s", b.Line, err, b.Commands, out.String())
	}
	if code := bash.ProcessState.ExitCode(); code != b.Exit {
		return out.String(), fmt.Errorf("line %d: these commands end with exit code %d, not %d:\n%s%s", b.Line, code, b.Exit, b.Commands, out.String())
	}
	return out.String(), nil
}
