package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"gakushoku/internal/app/counter"
	"gakushoku/internal/app/embedded"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/observe/sink"
)

// serveCommand serves as the primary, or on its own.
type serveCommand struct {
	ReplicateTo string `help:"The place that the log is copied to as it grows, for standbys: DIR or s3://BUCKET/PREFIX, or none to stop that." env:"GAKUSHOKU_REPLICATE_TO" placeholder:"PLACE"`

	serverFlags
}

// serverFlags is what all commands that serve have.
type serverFlags struct {
	Addr        string        `help:"Where to listen, as HOST:PORT. Default: ${default}." default:"127.0.0.1:8080" env:"GAKUSHOKU_ADDR" placeholder:"ADDR"`
	OpsAddr     string        `help:"Where /metrics and the details of /health are, as HOST:PORT, or none. Default: 127.0.0.1:8081, or a free port if that one is taken." env:"GAKUSHOKU_OPS_ADDR" placeholder:"ADDR"`
	Payments    string        `help:"The payment provider that takes card payments, as a URL. Without one the terminal at the till takes them." env:"GAKUSHOKU_PAYMENT_PROVIDER" placeholder:"URL" name:"payment-provider"`
	Secret      string        `help:"What the payment provider knows us by. Give it in the environment: others can see arguments." env:"GAKUSHOKU_PAYMENT_SECRET" placeholder:"SECRET" name:"payment-secret"`
	StopGrace   time.Duration `help:"How long to go on taking requests after the signal to stop, while readiness says 503 and clients are told to close. Default: ${default}." default:"2s" env:"GAKUSHOKU_STOP_GRACE" placeholder:"DURATION"`
	Connections int           `help:"How many clients may be connected at once. Default: ${default}." default:"512" env:"GAKUSHOKU_CONNECTIONS" placeholder:"N"`

	AuditKey      string   `help:"The file of the key that checkpoints of the log are signed with, made at first use. Keep it where those who may write the data folder cannot read it. Default: audit.key in the data folder." env:"GAKUSHOKU_AUDIT_KEY" type:"path" placeholder:"FILE"`
	CheckpointsTo []string `help:"Folders that signed checkpoints of the log are copied to, as where backups go." env:"GAKUSHOKU_CHECKPOINTS_TO" type:"path" placeholder:"DIR"`

	backupFlags  `group:"Backups"`
	callersFlags `group:"Who may do what"`
	replicaFlags `group:"Replication"`
}

func (serveCommand) Help() string {
	return `Log lines go to the data folder, where "gakushoku logs" finds them, and to standard error. SIGTERM or Ctrl-C stops the server: readiness turns 503 and clients are told to close their connections, after --stop-grace the requests under way are answered, then the read models and the log are brought up to date. A second signal ends the grace early, a third one ends the process.

GET /metrics on --ops-addr has the metrics for Prometheus, which "gakushoku top" reads too, and GET /health there what was found in each part. On a loopback --addr, /health has these details too; elsewhere it only says which parts are well. OTEL_METRICS_EXPORTER says otherwise: none, or one or more of prometheus, otlp and console with commas between them. OTEL_TRACES_EXPORTER says where traces go: none, otlp, xray or console. OTEL_PROPAGATORS says in which headers callers name their trace: tracecontext unless set, or xray, b3, b3multi, jaeger, ottrace, with commas between them.

Callers prove who they are by a token of an OpenID provider (--issuer, --audience), a device key ("gakushoku keys create", or --api-keys) or a guest's session (POST /session); "gakushoku authz explain" says what each role may do. Without any of the first two, everybody may do everything: that is for a loopback --addr alone, and the server says so when it starts.

With --backup-to it makes a backup each night, removes those older than --keep, and rehearses a restore each week; what was due while it was down is done when it starts. /health says how the last ones went.

Examples:

    gakushoku serve
    gakushoku serve --backup-to /mnt/backup/canteen --keep 30d
    gakushoku serve --development-issuer
    gakushoku serve --addr 0.0.0.0:8080 --issuer https://login.example.com --audience canteen --role-names Kitchen-Staff=kitchen
    gakushoku serve --data /var/lib/gakushoku --addr 127.0.0.1:9000 --ops-addr 127.0.0.1:9001
    gakushoku serve --replicate-to s3://canteen-replica/log --advertise https://canteen.example.com
    GAKUSHOKU_API_KEYS=till:cashier=6f1c,screen:kitchen=a8d2 gakushoku serve
    GAKUSHOKU_PAYMENT_SECRET=a8d2 gakushoku serve --payment-provider https://pay.example.com/v1
    OTEL_METRICS_EXPORTER=otlp,prometheus OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 gakushoku serve`
}

// defaultOpsAddr is where /metrics is served by default, unless the port is taken.
const defaultOpsAddr = "127.0.0.1:8081"

func (c *serveCommand) Run(p *program) error {
	return c.serve(p, func(o *embedded.ServeOptions) error { return c.replicate(o, c.ReplicateTo) })
}

// serve serves until the process is told to end. stands adds how the server stands to other installations.
func (c *serverFlags) serve(p *program, stands func(*embedded.ServeOptions) error) error {
	if err := c.check(); err != nil {
		return err
	}
	accepted, err := c.callersFlags.options(p)
	if err != nil {
		return err
	}
	kept, err := c.backupFlags.options()
	if err != nil {
		return err
	}
	payments, err := c.payments()
	if err != nil {
		return err
	}
	out := sink.New(p.stdout.Writer, sink.Options{Name: "stdout", Level: p.level})
	hurry, done := secondSignal()
	defer done()
	options := embedded.ServeOptions{
		Dir: p.data, Addr: c.Addr, OpsAddr: c.opsAddr(), OpsAnyPort: c.OpsAddr == "", Level: p.level, Callers: accepted, Payments: payments, Log: p.logWriter(), Out: out,
		Guests: counter.Limits{Portions: *c.GuestPortions, Open: *c.GuestOpenOrders},
		Ready:  func(url string, ops embedded.Operators) { c.announce(out, p.data, url, ops) }, Connections: c.Connections, Grace: c.StopGrace, Hurry: hurry,
		AuditKey: c.AuditKey, CheckpointsTo: c.CheckpointsTo, Backups: kept,
	}
	if err = stands(&options); err == nil {
		err = embedded.Serve(p.ctx, options)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), time.Second)
	defer cancel()
	out.Close(last) //nolint:errcheck // the process is about to end
	return err
}

// check refuses addresses that the network would interpret differently.
func (c *serverFlags) check() error {
	switch {
	case c.Addr == "": // means any port of every address
		return usagef("--addr is empty: give HOST:PORT, or unset GAKUSHOKU_ADDR")
	case c.OpsAddr == c.Addr && !strings.HasSuffix(c.Addr, ":0"):
		return usagef("--ops-addr %s is --addr too: give it a port of its own, or none", c.OpsAddr)
	case c.StopGrace < 0:
		return usagef("--stop-grace: %s is below 0", c.StopGrace)
	case c.Connections < 1:
		return usagef("--connections must be at least 1, not %d", c.Connections)
	case *c.RequestsPerSecond < 0:
		return usagef("--requests-per-second: %d is below 0", *c.RequestsPerSecond)
	}
	return c.replicaFlags.check()
}

// payments returns the payment provider, nil if there is none.
func (c *serverFlags) payments() (payment.Provider, error) {
	if c.Payments == "" {
		return nil, nil
	}
	card, err := payment.NewCard(c.Payments, c.Secret)
	if err != nil {
		return nil, usagef("--payment-provider: %v", err)
	}
	return card, nil
}

func (c *serverFlags) opsAddr() string {
	switch c.OpsAddr {
	case "":
		return defaultOpsAddr
	case "none":
		return ""
	}
	return c.OpsAddr
}

// announce prints the server's addresses, and whether the default one was taken.
func (c *serverFlags) announce(out io.Writer, data, url string, ops embedded.Operators) {
	text := fmt.Sprintf("gakushoku serves %s from %s\n", url, data)
	switch {
	case ops.Metrics:
		text += fmt.Sprintf("metrics and health: %s\n", ops.URL)
	case ops.URL != "":
		text += fmt.Sprintf("health: %s (no /metrics, since OTEL_METRICS_EXPORTER does not name prometheus)\n", ops.URL)
	}
	if ops.Everybody {
		text += "everybody may do everything here, without credentials: see gakushoku serve --help, or try --development-issuer\n"
	}
	if c.OpsAddr == "" && ops.URL != "http://"+defaultOpsAddr {
		text += fmt.Sprintf("%s was taken: use gakushoku top --url %s\n", defaultOpsAddr, ops.URL)
	}
	io.WriteString(out, text) //nolint:errcheck // a sink does not fail
}

// secondSignal returns a channel that the second signal closes. After done, a signal ends the process at
// once.
func secondSignal() (second <-chan struct{}, done func()) {
	signals, hurry, over := make(chan os.Signal, 2), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, endings()...)
	go func() {
		defer signal.Stop(signals)
		for range 2 {
			select {
			case <-signals:
			case <-over:
				return
			}
		}
		close(hurry)
	}()
	return hurry, sync.OnceFunc(func() { close(over) })
}
