package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"gakushoku/internal/fault/wait"
	"gakushoku/internal/operate/health"
)

type healthCommands struct {
	Wait waitCommand `cmd:"" help:"Wait until a server is ready."`
}

type waitCommand struct {
	URL     string        `arg:"" help:"The server, such as http://127.0.0.1:8080; its /health/ready is asked unless the URL has a path." name:"url"`
	Timeout time.Duration `help:"How long to wait. Default: ${default}." default:"30s" env:"GAKUSHOKU_HEALTH_TIMEOUT" placeholder:"DURATION"`
}

func (waitCommand) Help() string {
	return `Ends as soon as the server answers 200. Reports what is not ready on standard error whenever that changes; fails after --timeout.

Examples:

    gakushoku health wait http://127.0.0.1:8080
    gakushoku health wait https://example.com/prod/health/ready --timeout 2m`
}

// How often a server is polled, and how long it may take to respond.
const (
	healthPause  = 200 * time.Millisecond
	healthAnswer = 5 * time.Second
	maxBody      = 16 << 20 // bytes of a response
)

func (c *waitCommand) Run(p *program) error {
	target, err := readyURL(c.URL)
	if err != nil {
		return err
	}
	if c.Timeout <= 0 {
		return usagef("--timeout: %s is not above 0", c.Timeout)
	}
	ctx, cancel := context.WithTimeout(p.ctx, c.Timeout)
	defer cancel()
	started := time.Now()
	last := unready{text: "no answer"}
	for {
		problem, ready := ask(ctx, target)
		if ready {
			return p.printf("%s is ready after %s\n", target, time.Since(started).Round(time.Millisecond))
		}
		if ctx.Err() == nil {
			switch {
			case problem.what == last.what:
			case problem.refused:
				fmt.Fprintf(p.stderr, "waiting for %s (not listening yet)\n", target)
			default:
				fmt.Fprintf(p.stderr, "%s: %s\n", target, problem.text)
			}
			last = problem
		}
		if err := wait.For(ctx, healthPause); err != nil {
			break
		}
	}
	if p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	return fmt.Errorf("%s is not ready after %s: %s", target, c.Timeout, last.text)
}

// readyURL completes a URL that a person types.
func readyURL(text string) (string, error) {
	u, err := serverURL(text)
	if err != nil {
		return "", err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/health/ready"
	}
	return u.String(), nil
}

// serverURL returns the address of a server, which may be typed without http.
func serverURL(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("%q is not the address of a server, such as http://127.0.0.1:8080", text)
	}
	return u, nil
}

// unready is why a server is not ready, once as text for a person and once without details that may change
// each time, such as how late something is by now.
type unready struct {
	text, what string
	refused    bool // no server listens there
}

// unanswered returns why there was no response.
func unanswered(err error) unready {
	return unready{err.Error(), err.Error(), errors.Is(err, syscall.ECONNREFUSED)}
}

// ask asks a server once whether it is ready. If not, it returns why.
func ask(ctx context.Context, target string) (problem unready, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, healthAnswer)
	defer cancel()
	body, status, err := get(ctx, target)
	switch {
	case status == http.StatusOK:
		return unready{}, true
	case err != nil:
		return unanswered(err), false
	}
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	details, names := notReady(body)
	return unready{text: text + details, what: text + names}, false
}

// get reads a server's response. The status is returned even if reading the body fails.
func get(ctx context.Context, url string) (body []byte, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, 0, withoutURL(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	return body, response.StatusCode, err
}

// withoutURL drops the method and the URL from an error of package http.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// notReady lists the failing parts of a health report, with and without details.
func notReady(body []byte) (details, names string) {
	var report health.Report
	if json.Unmarshal(body, &report) != nil {
		return "", ""
	}
	var parts []string
	for _, part := range report.Parts {
		if part.Status == health.OK {
			continue
		}
		names += " " + part.Name
		if part.Detail != "" {
			part.Name += ": " + part.Detail
		}
		parts = append(parts, part.Name)
	}
	if len(parts) == 0 {
		return "", ""
	}
	return " (" + strings.Join(parts, "; ") + ")", names
}
