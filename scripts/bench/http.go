package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app"
)

// runHTTP measures the embedded server over real HTTP: commands per second with their times
// at several numbers of clients, and how long after its acknowledgement a command is visible
// in the read model.
func runHTTP(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("http", flag.ContinueOnError)
	seconds := flags.Duration("for", 5*time.Second, "how long each measurement takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gakushoku-http-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(ctx)
	urls, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- app.Serve(ctx, app.ServeOptions{Dir: filepath.Join(dir, "data"), Addr: "127.0.0.1:0", Level: zerolog.InfoLevel, Ready: func(url string) { urls <- url }})
	}()
	defer func() { stop(); <-ended }()
	var url string
	select {
	case url = <-urls:
	case err := <-ended:
		ended <- nil
		return fmt.Errorf("starting the server: %w", err)
	}
	fmt.Printf("%-22s %12s %10s %10s %14s %14s\n", "embedded HTTP", "commands/s", "p50 ms", "p95 ms", "lag p50 ms", "lag p95 ms")
	for _, clients := range []int{1, 8, 32} {
		m, err := measureHTTP(ctx, url, clients, *seconds)
		if err != nil {
			return err
		}
		fmt.Printf("%-22s %12.0f %10.2f %10.2f %14.2f %14.2f\n", fmt.Sprintf("%d clients", clients),
			float64(len(m.commands))/seconds.Seconds(), percentile(m.commands, 50), percentile(m.commands, 95), percentile(m.lags, 50), percentile(m.lags, 95))
	}
	return nil
}

// measured are times in milliseconds.
type measured struct {
	mu             sync.Mutex
	commands, lags []float64
	failure        error
}

func measureHTTP(ctx context.Context, url string, clients int, d time.Duration) (*measured, error) {
	m := &measured{}
	transport := &http.Transport{MaxIdleConnsPerHost: clients + 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	until := time.Now().Add(d)
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := 0; time.Now().Before(until) && ctx.Err() == nil; i++ {
				id := fmt.Sprintf("b%d-%d-%d", clients, c, i)
				// One order in twenty is watched until it is visible: watching costs requests too.
				if err := m.order(client, url, id, i%20 == 0); err != nil {
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

func (m *measured) command(client *http.Client, url, body string) error {
	started := time.Now()
	response, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode >= 300 {
		return fmt.Errorf("POST %s: status %d: %s: %w", url, response.StatusCode, answer, err)
	}
	took := time.Since(started).Seconds() * 1000
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands = append(m.commands, took)
	return nil
}

// visible asks the read model for a row until it is there.
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
