package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/callers"
	"gakushoku/internal/app/embedded"
	"gakushoku/internal/edge/identity/devissuer"
	"gakushoku/internal/rehearse/loadgen"
)

// runHTTP measures the embedded server over real HTTP: commands per second and their times at several numbers
// of clients, and how long after its acknowledgement a command is visible in the read model. As a baseline, a
// server that stores nothing shows the cost of HTTP, the client and the machine; its lag is the time of the
// single request that reads. A third server wants tokens, which shows what it costs to identify callers.
func runHTTP(ctx context.Context, args []string, r *report) error {
	flags := flag.NewFlagSet("http", flag.ContinueOnError)
	duration := flags.Duration("for", 5*time.Second, "how long each measurement takes")
	rounds := flags.Int("rounds", 3, "how often each is measured; the median counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gakushoku-http-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := serve(ctx, filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	defer server.Stop() //nolint:errcheck // the measurements are done
	guarded, token, err := serveTokens(ctx, filepath.Join(dir, "guarded"))
	if err != nil {
		return err
	}
	defer guarded.Stop() //nolint:errcheck // likewise
	bare := httptest.NewServer(http.HandlerFunc(answerOnly))
	defer bare.Close()
	return raceHTTP(ctx, []namedServer{{"embedded", server.URL, ""}, {"storing nothing", bare.URL, ""}, {"embedded, by tokens", guarded.URL, token}}, *duration, *rounds, r)
}

// serve starts the embedded server.
func serve(ctx context.Context, dir string) (*loadgen.Server, error) {
	return loadgen.Serve(ctx, embedded.ServeOptions{Dir: dir, Addr: "127.0.0.1:0", Level: zerolog.InfoLevel}, nil)
}

// serveTokens starts the embedded server for callers with a token, and returns the token of one.
func serveTokens(ctx context.Context, dir string) (*loadgen.Server, string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, "", err
	}
	key, err := devissuer.Open(dir)
	if err != nil {
		return nil, "", err
	}
	provider, err := key.Provider()
	if err != nil {
		return nil, "", err
	}
	token, err := key.Token("bench", "cashier", time.Now(), time.Hour)
	if err != nil {
		return nil, "", err
	}
	server, err := loadgen.Serve(ctx, embedded.ServeOptions{
		Dir: filepath.Join(dir, "data"), Addr: "127.0.0.1:0", Level: zerolog.InfoLevel, Callers: callers.Options{Provider: &provider},
	}, nil)
	return server, token, err
}

type namedServer struct{ name, url, token string }

// tokened sends a token with each request.
type tokened struct {
	*http.Transport
	token string
}

// RoundTrip implements http.RoundTripper.
func (t tokened) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+t.token)
	}
	return t.Transport.RoundTrip(r)
}

// answerOnly responds like the real server and does nothing else.
func answerOnly(w http.ResponseWriter, q *http.Request) {
	io.Copy(io.Discard, q.Body) //nolint:errcheck // an error reaches the client too
	w.Header().Set("Content-Type", "application/json")
	if q.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
	}
	io.WriteString(w, `{"orderId":"o1","total":780,"status":"ORDERED"}`) //nolint:errcheck // likewise
}

func raceHTTP(ctx context.Context, servers []namedServer, d time.Duration, rounds int, r *report) error {
	for _, s := range servers { // creates files, connections and caches for both
		if _, err := measureHTTP(ctx, s, clientCounts[len(clientCounts)-1], "warm-up", d); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "clients\tserver\tcommands/s\tp50 ms\tp95 ms\tlag p50 ms\tlag p95 ms\tlags\t")
	for _, clients := range clientCounts {
		commands, lags := make([][]load, len(servers)), make([][]load, len(servers))
		watched := make([]int, len(servers))
		for round := range rounds {
			for i, s := range servers {
				m, err := measureHTTP(ctx, s, clients, fmt.Sprintf("b%d-%d", clients, round), d)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				commands[i], lags[i] = append(commands[i], loadOf(m.commands, d)), append(lags[i], loadOf(m.lags, d))
				watched[i] += len(m.lags)
			}
		}
		var command, lag []load
		for i, s := range servers {
			c, l := medianLoad(commands[i]), medianLoad(lags[i])
			command, lag = append(command, c), append(lag, l)
			fmt.Fprintf(table, "%d\t%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t\n", clients, s.name, c.rate, c.p50, c.p95, l.p50, l.p95, watched[i])
		}
		reportHTTP(r, clients, servers[1].name, command, lag)
	}
	return table.Flush()
}

// The aims for the embedded server.
const (
	aimCommands  = 1000 // per second
	aimCommandMs = 200  // at the 95th percentile
	aimLagMs     = 100  // likewise
)

func reportHTTP(r *report, clients int, beside string, command, lag []load) {
	what := plural(clients, "client")
	r.add(figure{what: "commands over HTTP, " + what, ours: command[0].rate, unit: "/s", baseline: beside, theirs: command[1].rate, aim: above(aimCommands)})
	r.add(figure{what: "commands over HTTP, " + what + ": p95", ours: command[0].p95, unit: "ms", baseline: beside, theirs: command[1].p95, aim: below(aimCommandMs)})
	r.add(figure{what: "commands over HTTP by tokens, " + what, ours: command[2].rate, unit: "/s", baseline: "without credentials", theirs: command[0].rate})
	r.add(figure{what: "projection lag, " + what + ": p50", ours: lag[0].p50, unit: "ms", baseline: beside, theirs: lag[1].p50})
	r.add(figure{what: "projection lag, " + what + ": p95", ours: lag[0].p95, unit: "ms", baseline: beside, theirs: lag[1].p95, aim: below(aimLagMs)})
}

// measured are times in milliseconds.
type measured struct {
	mu             sync.Mutex
	commands, lags []float64
	failure        error
}

// measureHTTP lets clients place and pay orders, whose ids begin with name, for some time.
func measureHTTP(ctx context.Context, s namedServer, clients int, name string, d time.Duration) (*measured, error) {
	m := &measured{}
	transport := &http.Transport{MaxIdleConnsPerHost: clients + 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: tokened{transport, s.token}, Timeout: 10 * time.Second}
	until := time.Now().Add(d)
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := 0; time.Now().Before(until) && ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%s-%d-%d", name, c, i)
				// One order in twenty is polled until it is visible, since polling costs requests too.
				if err := m.order(client, s.url, id, i%20 == 0); err != nil {
					m.fail(err)
					return
				}
			}
		})
	}
	group.Wait()
	return m, errors.Join(m.failure, ctx.Err())
}

func (m *measured) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = errors.Join(m.failure, err)
}

// order places and pays one order.
func (m *measured) order(client *http.Client, url, id string, watch bool) error {
	if err := m.command(client, url+"/orders", fmt.Sprintf(`{"orderId":%q,"total":780}`, id)); err != nil {
		return err
	}
	if watch {
		if err := m.visible(client, url+"/orders/"+id); err != nil {
			return err
		}
	}
	return m.command(client, url+"/orders/"+id+"/pay", `{"paymentMethod":"CARD"}`)
}

func (m *measured) command(client *http.Client, url, content string) error {
	started := time.Now()
	response, err := client.Post(url, "application/json", strings.NewReader(content))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode >= 300 {
		return fmt.Errorf("POST %s: status %d: %s: %w", url, response.StatusCode, body, err)
	}
	took := time.Since(started).Seconds() * 1000
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands = append(m.commands, took)
	return nil
}

// visible polls the read model until a row exists.
func (m *measured) visible(client *http.Client, url string) error {
	started := time.Now()
	for time.Since(started) < 10*time.Second {
		response, err := client.Get(url)
		if err != nil {
			return err
		}
		var row struct {
			Status string `json:"status"`
		}
		err = json.NewDecoder(response.Body).Decode(&row)
		response.Body.Close()
		if response.StatusCode == http.StatusOK && err == nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.lags = append(m.lags, time.Since(started).Seconds()*1000)
			return nil
		}
		time.Sleep(500 * time.Microsecond)
	}
	return fmt.Errorf("GET %s: the row did not come", url)
}
