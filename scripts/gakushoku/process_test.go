//go:build unix

package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// program is this program in a process of its own, with a temporary folder of its own.
func process(t *testing.T, args ...string) (cmd *exec.Cmd, temp string, stderr *bytes.Buffer) {
	t.Helper()
	cmd, temp, stderr = exec.CommandContext(t.Context(), os.Args[0], args...), t.TempDir(), &bytes.Buffer{}
	cmd.Env, cmd.Stderr = append(os.Environ(), asProgram+"=1", "TMPDIR="+temp), stderr
	return cmd, temp, stderr
}

func TestAReaderThatLeavesDoesNotKillTheProgram(t *testing.T) {
	t.Parallel()
	dir, file := seeded(t), put(t, "seed.jsonl", seed)
	for _, args := range [][]string{{"events", "export", "-d", dir}, {"reproject", "--from", file, "--out", "-"}, {"demo"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			cmd, temp, stderr := process(t, args...)
			r, w, err := os.Pipe()
			if err == nil {
				err = r.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			cmd.Stdout = w
			if err := cmd.Run(); err != nil || strings.Contains(stderr.String(), "pipe") {
				t.Errorf("%v: %s", err, stderr)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

func TestSignalsEndTheProgramInOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signal os.Signal
		args   []string
		code   int
		says   string // on standard output or error
	}{
		"serve":                            {syscall.SIGTERM, serving(filepath.Join(t.TempDir(), "data")), exitDone, "server:stop"},
		"demo":                             {syscall.SIGTERM, []string{"demo"}, exitFailed, "interrupted"},
		"drill":                            {syscall.SIGTERM, []string{"drill", "run", "stuck-archiver"}, exitFailed, "interrupted"},
		"a drill whose terminal goes away": {syscall.SIGHUP, []string{"drill", "run", "stuck-archiver"}, exitFailed, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if signal.Ignored(c.signal) {
				t.Skip("these tests are to outlive their terminal, and so is what they start")
			}
			cmd, temp, stderr := process(t, c.args...)
			stdout, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stdout.Read(make([]byte, 100)); err != nil { // it is under way
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			cmd.Wait() //nolint:errcheck // the exit code tells
			if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(stderr.String(), c.says) {
				t.Errorf("exit %d: %s", code, stderr)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// A server keeps what was slow, without being asked to: everything is slow to this one. The parts of
// a command are kept by how long they took, which is the disk's affair.
func TestAServerKeepsTheSpansOfWhatWasSlow(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	cmd, _, _ := process(t, serving(dir)...)
	cmd.Env = append(cmd.Env, "GAKUSHOKU_TRACES_SLOW=1ns")
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 500)
	n, err := stdout.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	post(t, "place", strings.Fields(string(said[:n]))[2]+"/orders", `{"orderId":"o1","total":780}`)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	got := ok(t, "slow", "-d", dir)
	contains(t, got, "POST /orders", "correlation.id=place", "  PlaceOrder")
	if strings.Contains(got, "no spans were kept") {
		t.Errorf("%s", got)
	}
}

func TestASecondSignalEndsTheGrace(t *testing.T) {
	t.Parallel()
	cmd, _, _ := process(t, serving(filepath.Join(t.TempDir(), "data"), "--stop-grace", "24h")...)
	server := &running{out: &output{}, err: &output{}, ended: make(chan int, 1)}
	cmd.Stdout, cmd.Stderr = server.out, server.err
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait() //nolint:errcheck // the exit code tells
		server.ended <- cmd.ProcessState.ExitCode()
	}()
	url, _ := server.addresses(t)
	stop := func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	server.eventually(t, server.err, "server:stopping")
	if got := post(t, "late", url+"/orders", `{"orderId":"o1","total":780}`); got != http.StatusCreated {
		t.Errorf("an order in the grace: %d", got)
	}
	stop()
	if code := <-server.ended; code != exitDone {
		t.Errorf("exit %d: %s", code, server.err.String())
	}
}
