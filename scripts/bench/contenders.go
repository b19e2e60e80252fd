package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// programs contains the baselines.
//
//go:embed node/package.json node/reproject.mjs duckdb/reproject.py
var programs embed.FS

// findContenders prepares all programs. It omits baselines that cannot run here, and reports what they lack.
func findContenders(ctx context.Context, bin, python string, r *report) ([]contender, error) {
	ours, err := ourContenders(ctx, bin)
	if err != nil {
		return nil, err
	}
	node, err := nodeContenders(ctx)
	if err != nil {
		r.leaveOut("the Node program", err)
	}
	duckdb, err := duckdbContenders(ctx, python)
	if err != nil {
		r.leaveOut("DuckDB", err)
	}
	return slices.Concat(ours, node, duckdb), ctx.Err()
}

// programToMeasure returns the path of gakushoku, which it builds if bin is empty.
func programToMeasure(ctx context.Context, bin string) (string, error) {
	if bin != "" {
		return bin, nil
	}
	dir, err := cacheDir("bin")
	if err != nil {
		return "", err
	}
	bin = filepath.Join(dir, "gakushoku")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "./scripts/gakushoku")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building gakushoku: %w", err)
	}
	return bin, nil
}

func ourContenders(ctx context.Context, bin string) ([]contender, error) {
	bin, err := programToMeasure(ctx, bin)
	if err != nil {
		return nil, err
	}
	own := contender{ours: true, rows: regexp.MustCompile(`size (\d+) row`)}
	own.streams = func(cmd *exec.Cmd, outcome, log io.Writer) { cmd.Stdout, cmd.Stderr = outcome, log }
	quiet, logging := own, own
	quiet.name, quiet.command = "gakushoku", program(bin, "reproject", "--from")
	logging.name, logging.logs, logging.command = "gakushoku, a line an event", true, program(bin, "reproject", "--log-apply", "--from")
	return []contender{quiet, logging}, nil
}

// program returns a function that runs a program with the log's name after args.
func program(name string, args ...string) func(context.Context, string) *exec.Cmd {
	return func(ctx context.Context, file string) *exec.Cmd {
		return exec.CommandContext(ctx, name, append(append([]string{}, args...), file)...)
	}
}

func nodeContenders(ctx context.Context) ([]contender, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is missing: install Node.js 20 or newer with npm (https://nodejs.org, or the system's packages nodejs and npm)", tool)
		}
	}
	dir, err := unpack("node", "package.json", "reproject.mjs")
	if err != nil {
		return nil, err
	}
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
	install.Dir = dir
	if text, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm install in %s: %w: %s: is the npm registry within reach?", dir, err, text)
	}
	node := contender{rows: regexp.MustCompile(`"size":(\d+)`)}
	node.streams = func(cmd *exec.Cmd, outcome, log io.Writer) { cmd.Stdout, cmd.Stderr = log, outcome }
	script := filepath.Join(dir, "reproject.mjs")
	node.memory = atMost(0.5)
	quiet, logging, buffered := node, node, node
	quiet.name, quiet.rate, quiet.command = "node", atLeast(6), nodeCommand(script, "")
	logging.name, logging.logs, logging.rate, logging.command = "node, a pino line an event", true, atLeast(10), nodeCommand(script, "--log-apply")
	buffered.name, buffered.logs, buffered.command = "node, pino lines buffered", true, nodeCommand(script, "--log-apply-buffered")
	return []contender{quiet, logging, buffered}, nil
}

func nodeCommand(script, flag string) func(context.Context, string) *exec.Cmd {
	return func(ctx context.Context, file string) *exec.Cmd {
		return exec.CommandContext(ctx, "node", script, file, flag)
	}
}

// duckdbVersion is installed if the Python in use has no DuckDB.
const duckdbVersion = "1.4.4"

func duckdbContenders(ctx context.Context, python string) ([]contender, error) {
	dir, err := unpack("duckdb", "reproject.py")
	if err == nil && python == "" {
		python, err = pythonWithDuckDB(ctx, filepath.Join(dir, "venv"))
	}
	if err != nil {
		return nil, err
	}
	duckdb := contender{name: "duckdb", rows: regexp.MustCompile(`"size": (\d+)`), rate: aim{"within 3 x", atLeast(1.0 / 3).holds}}
	duckdb.streams = func(cmd *exec.Cmd, outcome, _ io.Writer) { cmd.Stdout = outcome }
	duckdb.command = program(python, filepath.Join(dir, "reproject.py"))
	return []contender{duckdb}, nil
}

// pythonWithDuckDB returns a Python that has DuckDB: the machine's, or one in venv, into which it installs
// DuckDB once.
func pythonWithDuckDB(ctx context.Context, venv string) (string, error) {
	has := func(python string) bool { return exec.CommandContext(ctx, python, "-c", "import duckdb").Run() == nil }
	own := filepath.Join(venv, "bin", "python")
	for _, python := range []string{own, "python3"} {
		if has(python) {
			return python, nil
		}
	}
	if _, err := exec.LookPath("python3"); err != nil {
		return "", errors.New("python3 is missing: install Python 3.9 or newer with venv (https://www.python.org, or the system's packages python3 and python3-venv)")
	}
	for _, step := range [][]string{
		{"python3", "-m", "venv", venv},
		{own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "duckdb==" + duckdbVersion},
	} {
		if text, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s: are venv (package python3-venv) and the Python package index within reach?", strings.Join(step, " "), err, bytes.TrimSpace(text))
		}
	}
	return own, nil
}

// unpack writes the files of a baseline into the cache.
func unpack(name string, files ...string) (string, error) {
	dir, err := cacheDir(name)
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := programs.ReadFile(name + "/" + file)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}
