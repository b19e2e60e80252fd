package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/scrape"
)

type cacheCommands struct {
	Stats cacheStatsCommand `cmd:"" help:"Show which lists are kept in memory, and how often they are found there."`
	Clear cacheClearCommand `cmd:"" help:"Have every process read the lists that it keeps again."`
	Warm  cacheWarmCommand  `cmd:"" help:"Clear lists, and have a server read them at once."`
}

// keptLists are the projections whose whole lists processes keep.
func keptLists() []string {
	var names []string
	for _, v := range canteen.Views() {
		if v.Kept {
			names = append(names, v.Projection)
		}
	}
	return names
}

// checkKept refuses a name that is none of the kept lists.
func checkKept(names []string) error {
	known := keptLists()
	for _, n := range names {
		if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+n+" ") {
			return usagef("there is no list %q in memory: choose from %s", n, strings.Join(known, ", "))
		}
	}
	return nil
}

type cacheClearCommand struct {
	Key  string `arg:"" optional:"" predictor:"list" help:"The list: products or categories. All if not given."`
	JSON bool   `help:"Print JSON." name:"json"`
	awsFlag
}

func (cacheClearCommand) Help() string {
	return `Processes keep the lists of products and categories for some seconds. This raises a number beside the version pointer, so that each of them, on AWS too, reads the lists again as soon as it has read the pointer, within two seconds or so.

Examples:

    gakushoku cache clear
    gakushoku cache clear products --aws gakushoku`
}

func (c *cacheClearCommand) Run(p *program) error {
	names := keptLists()
	if c.Key != "" {
		names = []string{c.Key}
	}
	return p.renew(c.awsFlag, names, c.JSON)
}

// generation is what is shown of one list.
type generation struct {
	List       string   `json:"list"`
	Generation uint64   `json:"generation"`
	Hits       *float64 `json:"hits,omitempty"`  // reads found in memory, if a server was asked
	Reads      *float64 `json:"reads,omitempty"` // all reads
}

func (p *program) renew(on awsFlag, names []string, asJSON bool) error {
	if err := checkKept(names); err != nil {
		return err
	}
	var all []generation
	err := p.withInstallation(on, func(i *operator.Installation) error {
		for _, name := range names {
			n, err := query.Renew(p.ctx, i.Engine.Pointers, name)
			if err != nil {
				return fmt.Errorf("clearing %s: %w", name, err)
			}
			all = append(all, generation{List: name, Generation: n})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.tellGenerations(all, asJSON)
}

func (p *program) tellGenerations(all []generation, asJSON bool) error {
	if asJSON {
		return p.printJSON(all)
	}
	table := newTable(p.stdout, "LIST\tGENERATION\tREADS\tFOUND IN MEMORY")
	for _, g := range all {
		reads, hits := "-", "-"
		if g.Reads != nil {
			reads = fmt.Sprintf("%.0f", *g.Reads)
			if *g.Reads > 0 {
				hits = fmt.Sprintf("%.1f %%", 100**g.Hits / *g.Reads)
			}
		}
		table.line("%s\t%d\t%s\t%s", g.List, g.Generation, reads, hits)
	}
	return table.Flush()
}

type cacheWarmCommand struct {
	Entities []string `help:"The lists, separated by commas. All if not given." placeholder:"LIST,..."`
	URL      string   `help:"Address of a server or of the API, to read the menu from at once." name:"url" placeholder:"URL"`
	JSON     bool     `help:"Print JSON." name:"json"`
	awsFlag
}

func (cacheWarmCommand) Help() string {
	return `Like "gakushoku cache clear"; with --url a server then reads the lists before the next guest asks. On AWS that is one instance of the query function; each other reads them with its first request.

Examples:

    gakushoku cache warm --entities products,categories --url http://127.0.0.1:8080`
}

func (c *cacheWarmCommand) Run(p *program) error {
	if c.URL != "" {
		if err := checkAddress("--url", c.URL, "http://127.0.0.1:8080"); err != nil {
			return err
		}
	}
	names := c.Entities
	if len(names) == 0 {
		names = keptLists()
	}
	if err := p.renew(c.awsFlag, names, c.JSON); err != nil || c.URL == "" {
		return err
	}
	return p.readMenu(strings.TrimSuffix(c.URL, "/") + "/menu")
}

// cacheTimeout bounds a request to a server.
const cacheTimeout = 10 * time.Second

func (p *program) readMenu(url string) error {
	client := http.Client{Timeout: cacheTimeout}
	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, url, nil)
	if err != nil {
		return usagef("%v", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the lists are cleared, but %s returned %s: is --url the address of the server, not of its --ops-addr?", url, response.Status)
	}
	return nil
}

type cacheStatsCommand struct {
	OpsURL string `help:"Address of a running server's metrics, such as http://127.0.0.1:8081, to show how often lists are found in memory." placeholder:"URL"`
	JSON   bool   `help:"Print JSON." name:"json"`
	awsFlag
}

func (cacheStatsCommand) Help() string {
	return `The generation of a list is how often it was cleared. How often lists are found in memory is the metric gakushoku.list.reads, by "cached"; with --ops-url it is read from a running server, on AWS it is in CloudWatch.

Examples:

    gakushoku cache stats --ops-url http://127.0.0.1:8081`
}

func (c *cacheStatsCommand) Run(p *program) error {
	if c.OpsURL != "" {
		if err := checkAddress("--ops-url", c.OpsURL, "http://127.0.0.1:8081"); err != nil {
			return err
		}
	}
	var all []generation
	err := p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		for _, name := range keptLists() {
			pointer, err := i.Engine.Pointers.Pointer(p.ctx, name)
			if err != nil {
				return err
			}
			all = append(all, generation{List: name, Generation: pointer.Generation})
		}
		return nil
	})
	if err == nil && c.OpsURL != "" {
		err = p.addReads(strings.TrimSuffix(c.OpsURL, "/")+"/metrics", all)
	}
	if err != nil {
		return err
	}
	return p.tellGenerations(all, c.JSON)
}

// addReads adds what a server has counted.
func (p *program) addReads(url string, all []generation) error {
	samples, err := p.scraped(url)
	if err != nil {
		return err
	}
	reads := scrape.Named(samples, strings.ReplaceAll(observe.MetricLists, ".", "_")+"_total")
	for i := range all {
		var hits, total float64
		for _, s := range reads {
			if string(s.Metric["gakushoku_projection"]) != all[i].List {
				continue
			}
			total += float64(s.Value)
			if s.Metric["gakushoku_cached"] == "true" {
				hits += float64(s.Value)
			}
		}
		all[i].Hits, all[i].Reads = &hits, &total
	}
	return nil
}

func (p *program) scraped(url string) (model.Vector, error) {
	client := http.Client{Timeout: cacheTimeout}
	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, usagef("%v", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s returned %s: give the server's --ops-addr as --ops-url", url, response.Status), response.Body.Close())
	}
	samples, err := scrape.Parse(response.Body)
	return samples, errors.Join(err, response.Body.Close())
}
