package main

import (
	"fmt"
	"strings"

	"gakushoku/internal/app"
)

type serveCommand struct {
	Addr    string `help:"Where to listen, as HOST:PORT. Default: ${default}." default:"127.0.0.1:8080" env:"GAKUSHOKU_ADDR" placeholder:"ADDR"`
	APIKeys string `help:"API keys and the names of their owners, as NAME=KEY,NAME=KEY. Give them in the environment: others can see arguments." env:"GAKUSHOKU_API_KEYS" placeholder:"KEYS" name:"api-keys"`
}

func (serveCommand) Help() string {
	return `Log lines go to the data folder, where "gakushoku logs" finds them, and to standard error. SIGTERM or Ctrl-C stops the server: requests under way are answered first.

GET /metrics has the metrics for Prometheus, which "gakushoku top" reads too. OTEL_METRICS_EXPORTER says otherwise: none, or one or more of prometheus, otlp and console with commas between them. OTEL_TRACES_EXPORTER says where traces go: none, otlp, xray or console.

Examples:

    gakushoku serve
    gakushoku serve --data /var/lib/gakushoku --addr 127.0.0.1:9000
    GAKUSHOKU_API_KEYS=till=6f1c,kitchen=a8d2 gakushoku serve
    OTEL_METRICS_EXPORTER=otlp,prometheus OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 gakushoku serve`
}

func (c *serveCommand) Run(p *program) error {
	keys, err := parseKeys(c.APIKeys)
	if err != nil {
		return err
	}
	if c.Addr == "" { // the network would take it for any port of every address
		return usagef("--addr is empty: give HOST:PORT, or unset GAKUSHOKU_ADDR")
	}
	return app.Serve(p.ctx, app.ServeOptions{
		Dir: p.data, Addr: c.Addr, Level: p.level, Keys: keys, Log: p.logWriter(),
		Ready: func(url string) { fmt.Fprintf(p.stdout, "gakushoku serves %s from %s\n", url, p.data) },
	})
}

// parseKeys reads NAME=KEY pairs into names by key. Its errors tell no key.
func parseKeys(text string) (map[string]string, error) {
	keys := map[string]string{}
	for i, pair := range strings.Split(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, key, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || name == "" || key == "" {
			return nil, usagef("--api-keys: number %d is not NAME=KEY", i+1)
		}
		if other, taken := keys[key]; taken {
			return nil, usagef("--api-keys: %s and %s have the same key", other, name)
		}
		keys[key] = name
	}
	return keys, nil
}
