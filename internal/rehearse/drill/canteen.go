package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/rehearse/loadgen"
)

// orders is the number of orders placed before anything breaks.
const orders = 6

// canteen is an open canteen: a server with guests, and a shell for the operator on call.
type canteen struct {
	dir     string // of everything: data, bin
	data    string
	addr    string
	opsAddr string
	doors   doors
	url     string
	ops     string // of metrics and health
	client  *loadgen.Client
	traffic *loadgen.Traffic
	watch   *watch
	server  *loadgen.Server // nil when none runs
	env     []string        // of the shell
	faults  faults

	payments *payments // nil for none

	order, operation string // what the guest who complains shows
}

// deployment changes the parts of a server before it runs; nil for none.
type deployment func(*embedded.Server)

// open opens a canteen with some orders, in a new folder. program is the command line.
func open(ctx context.Context, program string) (c *canteen, err error) {
	dir, err := os.MkdirTemp("", "gakushoku-drill-")
	if err != nil {
		return nil, fmt.Errorf("making the drill's folder: %w", err)
	}
	c = &canteen{dir: dir, data: filepath.Join(dir, "data"), addr: "127.0.0.1:0", opsAddr: "127.0.0.1:0", doors: doors{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close(false))
		}
	}()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return c, fmt.Errorf("making the drill's folder: %w", err)
	}
	if err := os.Symlink(program, filepath.Join(bin, "gakushoku")); err != nil {
		return c, fmt.Errorf("making the drill's folder: %w", err)
	}
	if err := c.deploy(ctx, nil); err != nil {
		return c, err
	}
	if err := c.client.OpenMenu(ctx); err != nil {
		return c, err
	}
	for n := range orders {
		if err := c.lunch(ctx, fmt.Sprintf("lunch-%d", n+1)); err != nil {
			return c, err
		}
	}
	c.watch = startWatch(ctx, c.ops)
	c.traffic = loadgen.NewTraffic(c.client)
	c.traffic.Start(ctx)
	c.env = append(settings(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+dir, "TMPDIR="+dir, "GAKUSHOKU_DATA="+c.data, "URL="+c.url, "OPS="+c.ops)
	return c, nil
}

// settings returns the environment variables that the shell inherits.
func settings() []string {
	var kept []string
	for _, s := range os.Environ() {
		if name, _, _ := strings.Cut(s, "="); !strings.HasPrefix(name, "GAKUSHOKU_") {
			kept = append(kept, s)
		}
	}
	return kept
}

// lunch places an order, pays it, and waits until it is shown.
func (c *canteen) lunch(ctx context.Context, id string) error {
	if _, err := c.client.Place(ctx, id, loadgen.Orders[0]); err != nil {
		return err
	}
	if _, _, err := c.client.Pay(ctx, id); err != nil {
		return err
	}
	return c.client.Shown(ctx, id, readmodel.StatusPaid)
}

// deploy stops the server, if one runs, and starts another, changed one at the same address.
func (c *canteen) deploy(ctx context.Context, change deployment) error {
	if err := c.stopServer(); err != nil {
		return err
	}
	o := embedded.ServeOptions{Dir: c.data, Addr: c.addr, OpsAddr: c.opsAddr, Listen: c.doors.lend, Level: zerolog.InfoLevel}
	if c.payments != nil {
		o.Payments = c.payments.card
	}
	server, err := loadgen.Serve(ctx, o, func(s *embedded.Server) {
		c.faults.install(s, c.data)
		if change != nil {
			change(s)
		}
	})
	if err != nil {
		return err
	}
	c.server = server
	if c.client == nil {
		c.url, c.addr, c.client = server.URL, strings.TrimPrefix(server.URL, "http://"), loadgen.NewClient(server.URL, loadgen.Patience)
		c.ops, c.opsAddr = server.Ops, strings.TrimPrefix(server.Ops, "http://")
	}
	return nil
}

func (c *canteen) stopServer() error {
	if c.server == nil {
		return nil
	}
	server := c.server
	c.server = nil
	return server.Stop()
}

// goHome waits for the guests' requests under way and ends the traffic.
func (c *canteen) goHome() {
	if c.traffic != nil {
		c.traffic.Close()
	}
}

// close stops everything and, unless keep is set, removes the folder.
func (c *canteen) close(keep bool) error {
	c.goHome()
	if c.watch != nil {
		c.watch.end()
	}
	err := errors.Join(c.stopServer(), c.doors.close())
	c.payments.close()
	if !keep {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// shell returns the environment of the operator's shell, with the ids that the guest shows.
func (c *canteen) shell() []string {
	return append(c.env[:len(c.env):len(c.env)], "ORDER="+c.order, "CID="+c.operation)
}
