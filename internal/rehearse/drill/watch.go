package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"gakushoku/internal/operate/alarm"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/scrape"
)

// The server is scraped as Prometheus would do it, but more often.
const (
	scrapePause = 200 * time.Millisecond
	scrapeLimit = 2 * time.Second
	maxScraped  = 1 << 20
)

// watch reads a server's metrics from its start to its end.
type watch struct {
	url    string
	http   *http.Client
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	scrapes []alarm.Scrape
}

func startWatch(ctx context.Context, url string) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{url: url, http: &http.Client{Timeout: scrapeLimit, Transport: &http.Transport{}}, cancel: cancel}
	w.ended.Go(func() {
		ticker := time.NewTicker(scrapePause)
		defer ticker.Stop()
		for {
			w.scrape(ctx)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	return w
}

func (w *watch) end() {
	w.cancel()
	w.ended.Wait()
	w.http.CloseIdleConnections()
}

// scrape reads the metrics once. When the server does not respond, the scrape has no samples.
func (w *watch) scrape(ctx context.Context) {
	text, _, err := w.get(ctx, "/metrics")
	var samples model.Vector
	if err == nil {
		samples, err = scrape.Parse(strings.NewReader(text))
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		samples = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scrapes = append(w.scrapes, alarm.Scrape{At: time.Now(), Samples: samples})
}

func (w *watch) get(ctx context.Context, path string) (text string, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return "", 0, err
	}
	response, err := w.http.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxScraped))
	return string(body), response.StatusCode, err
}

// sofar returns the scrapes so far.
func (w *watch) sofar() []alarm.Scrape {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.scrapes[:len(w.scrapes):len(w.scrapes)]
}

// part returns what /health/ready reports about a part.
func (w *watch) part(ctx context.Context, name string) (health.Part, error) {
	text, status, err := w.get(ctx, "/health/ready")
	if err != nil {
		return health.Part{}, err
	}
	var report health.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return health.Part{}, fmt.Errorf("/health/ready returned status %d: %w", status, err)
	}
	for _, p := range report.Parts {
		if p.Name == name {
			return p, nil
		}
	}
	return health.Part{}, fmt.Errorf("/health/ready knows no part %s", name)
}
