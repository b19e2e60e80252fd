package runbook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// waitForChildren is how long the children of a stopped block may keep its output open.
const waitForChildren = 5 * time.Second

// Run runs the commands with bash in a folder, as if they were pasted there; the first failure ends them. If
// ctx ends, they and the processes that they have started are stopped. The environment is exactly env. Run
// fails, with the output, if the exit code is not the one that the page states.
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
