package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/rehearse/loadgen"
)

// stopLimit bounds how long the server may take to end.
const stopLimit = 10 * time.Second

// orders are those that are there before anything breaks.
const orders = 6

// canteen is a canteen that is open: a server with guests, and a shell for whoever is on call.
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
	stop    func() error // ends the server; nil when none runs
	env     []string     // of the shell
	faults  faults

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

// settings are those of this process that the shell gets too.
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
	if _, err := c.client.Place(ctx, id, loadgen.Menu[0]); err != nil {
		return err
	}
	if _, _, err := c.client.Pay(ctx, id); err != nil {
		return err
	}
	return c.client.Shown(ctx, id, readmodel.StatusPaid)
}

// deploy ends the server, if one runs, and starts another with parts that are changed. The
// address stays.
func (c *canteen) deploy(ctx context.Context, change deployment) error {
	if err := c.stopServer(); err != nil {
		return err
	}
	ready, ended := make(chan [2]string, 1), make(chan error, 1)
	server, err := embedded.OpenServer(ctx, embedded.ServeOptions{
		Dir: c.data, Addr: c.addr, OpsAddr: c.opsAddr, Listen: c.doors.lend, Level: zerolog.InfoLevel, Ready: func(url string, ops embedded.Operators) { ready <- [2]string{url, ops.URL} },
	})
	if err != nil {
		return fmt.Errorf("starting the drill's server: %w", err)
	}
	c.faults.install(server, c.data)
	if change != nil {
		change(server)
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() { ended <- server.Run(ctx) }()
	c.stop = func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(stopLimit):
			return errors.New("the drill's server did not stop")
		}
	}
	select {
	case at := <-ready:
		if c.client == nil {
			c.url, c.addr, c.client = at[0], strings.TrimPrefix(at[0], "http://"), loadgen.NewClient(at[0])
			c.ops, c.opsAddr = at[1], strings.TrimPrefix(at[1], "http://")
		}
		return nil
	case err := <-ended:
		cancel()
		c.stop = nil
		return fmt.Errorf("starting the drill's server: %w", err)
	}
}

func (c *canteen) stopServer() error {
	if c.stop == nil {
		return nil
	}
	stop := c.stop
	c.stop = nil
	return stop()
}

// goHome lets the guests end what they are at.
func (c *canteen) goHome() {
	if c.traffic != nil {
		c.traffic.Close()
	}
}

// close ends everything, and takes the folder away unless it is to be kept.
func (c *canteen) close(keep bool) error {
	c.goHome()
	if c.watch != nil {
		c.watch.end()
	}
	err := errors.Join(c.stopServer(), c.doors.close())
	if !keep {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// shell is the environment of whoever is on call, with what the guest shows.
func (c *canteen) shell() []string {
	return append(c.env[:len(c.env):len(c.env)], "ORDER="+c.order, "CID="+c.operation)
}
