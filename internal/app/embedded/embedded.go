package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/callers"
	"gakushoku/internal/app/counter"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/audit"
	"gakushoku/internal/operate/backups"
	"gakushoku/internal/operate/health"
)

// ServeOptions configure the embedded system.
type ServeOptions struct {
	Dir   string        // the data folder
	Addr  string        // where to listen, such as 127.0.0.1:8080
	Level zerolog.Level // of the log
	Log   io.Writer     // also receives the log lines, besides the log file; may be nil
	Out   io.Writer     // for the exporter "console"; nil is standard output

	// Callers says whose credentials are accepted. If it names none, and the folder has no device keys,
	// everybody may do everything, but only on a loopback address.
	Callers callers.Options

	// Listen opens an address; nil is net.Listen. The caller may keep the listener longer than the server
	// does.
	Listen func(ctx context.Context, addr string) (net.Listener, error)

	// AuditKey is the file of the key that checkpoints of the log are signed with; "" is AuditKeyFile.
	AuditKey string
	// CheckpointsTo are folders that signed checkpoints are copied to.
	CheckpointsTo []string
	// Backups says where and when backups are made.
	Backups BackupOptions
	// Guests bounds what guests may hold; the zero value does not.
	Guests counter.Limits
	// Payments takes card payments; nil if the terminal at the till does.
	Payments payment.Provider

	// OpsAddr is the address of /metrics and the details of /health; if it is "", they are not served.
	OpsAddr string
	// OpsAnyPort allows a free port of the same address if the port of OpsAddr is taken.
	OpsAnyPort bool

	// ReplicateTo is the place that the log is copied to, and StandbyOf the place that is followed instead of
	// taking commands, each as place.Open takes it; at most one is set. Alone says that the folder stops replicating.
	ReplicateTo, StandbyOf string
	Alone                  bool
	// ManualFencing leaves the lease out: the operator who promotes a standby states that this server is down.
	ManualFencing bool
	Lease         time.Duration // 0 is replica.Lease
	Advertise     string        // URL of this server for clients of its standbys; "" is the address it listens on

	// Ready is called once requests are served, with the address of the HTTP interface and those for
	// operators. It may be nil. It must not block.
	Ready func(url string, ops Operators)

	Connections int             // the limit of concurrent connections; 0 is the default
	Grace       time.Duration   // how long requests are still accepted after the signal to stop
	Hurry       <-chan struct{} // closed to end Grace early; may be nil
	// Drain bounds the time for bringing the last events into the read models and the log; 0 is the default.
	Drain time.Duration
}

// Operators holds the address for operators, "" for none, and whether it serves /metrics. Everybody says that
// requests without credentials may do everything.
type Operators struct {
	URL                string
	Metrics, Everybody bool
}

// Serve runs the whole system in this process until ctx ends: HTTP, projector, archiver, health.
func Serve(ctx context.Context, o ServeOptions) error {
	server, err := OpenServer(ctx, o)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// Server is the embedded system, opened but not running yet. Its components use ports, so a drill can insert
// faults between them.
type Server struct {
	Commands  *command.Handler
	Queries   *query.Reader
	Health    *health.Checker
	Projector *projection.Follower
	Archiver  *eventlog.Follower
	Rounds    *audit.Rounds
	Backups   *backups.Rounds // nil if there are none
	Checkout  *process.Worker

	later    *command.Background // writes snapshots
	duty     *duty               // nil: none
	options  ServeOptions
	listener net.Listener
	ops      net.Listener // nil for none
	folder   *Folder
	unlock   func()
	closed   bool // requests without credentials are refused
}

// OpenServer opens the addresses and the data folder. Run closes them again.
func OpenServer(ctx context.Context, o ServeOptions) (*Server, error) {
	s := &Server{options: o, unlock: func() {}}
	if err := s.take(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.Commands, s.Queries, s.Health = s.folder.Commands(), s.folder.Queries(), s.folder.Health()
	s.later = command.NewBackground()
	s.Commands.Cache.Later = s.later.Later
	s.Projector, s.Archiver = s.folder.Follower(), s.folder.ArchiveFollower()
	var err error
	if s.duty, err = openDuty(ctx, s.folder, &s.options, "http://"+s.listener.Addr().String()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.Commands.Allow = s.duty.allow
	if s.duty != nil {
		s.Health.Probes = append(s.Health.Probes, s.duty.probe())
	}
	if err := s.honour(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.folder.witness().Begin(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.Rounds, err = s.folder.openRounds(ctx, cmp.Or(o.AuditKey, AuditKeyFile(o.Dir)), o.CheckpointsTo...); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.Backups = s.folder.backupRounds(o.Backups); s.Backups != nil {
		s.Health.Probes = append(s.Health.Probes, s.Backups.Probes()...)
	}
	s.Checkout = s.folder.Ports.Checkout(s.Commands, o.Payments)
	if o.Payments != nil {
		s.Health.Probes = append(s.Health.Probes, payment.Health(o.Payments))
	}
	s.Checkout.Wake = s.folder.Events.Appended
	return s, nil
}

// honour erases again who was erased before: an older copy of the keys may have been put back.
func (s *Server) honour(ctx context.Context) error {
	if s.folder.follows() {
		return nil
	}
	eraser := subject.Eraser{Keys: s.folder.subjects, Streams: s.folder.Ports.Events, Now: time.Now, NewID: observe.NewID}
	_, err := eraser.Honour(ctx)
	return err
}

// take opens the addresses first, since they leave nothing behind if opening the folder fails.
func (s *Server) take(ctx context.Context) (err error) {
	if err := s.listen(ctx); err != nil {
		return err
	}
	if s.folder, err = OpenFolder(ctx, s.options.Dir); err != nil {
		return err
	}
	if err := checkRole(s.folder.Role(), &s.options); err != nil {
		return err
	}
	if s.options.Alone && s.folder.Role().Role != "" {
		if err := s.folder.become(Role{}); err != nil {
			return err
		}
	}
	if err := s.folder.CheckEvents(ctx); err != nil {
		return err
	}
	if err := s.checkCallers(ctx); err != nil {
		return err
	}
	unlock, err := claimFolder(ctx, s.options.Dir)
	if err != nil {
		return err
	}
	s.unlock = unlock
	return s.folder.tellServed(s.ops)
}

func (s *Server) listen(ctx context.Context) (err error) {
	if s.listener, err = s.listenOn(ctx, "--addr", s.options.Addr); err != nil || s.options.OpsAddr == "" {
		return err
	}
	s.ops, err = s.listenOn(ctx, "--ops-addr", s.options.OpsAddr)
	if host, _, split := net.SplitHostPort(s.options.OpsAddr); errors.Is(err, syscall.EADDRINUSE) && s.options.OpsAnyPort && split == nil {
		s.ops, err = s.listenOn(ctx, "--ops-addr", net.JoinHostPort(host, "0"))
	}
	if errors.Is(err, syscall.EADDRINUSE) && samePort(s.listener.Addr(), s.options.OpsAddr) {
		err = fmt.Errorf("cannot listen on %s: --addr has this port, choose another --ops-addr: %w", s.options.OpsAddr, syscall.EADDRINUSE)
	}
	return err
}

func samePort(taken net.Addr, addr string) bool {
	_, has, _ := net.SplitHostPort(taken.String())
	_, port, err := net.SplitHostPort(addr)
	return err == nil && has == port
}

// close closes everything that the server has opened.
func (s *Server) close() error {
	var err error
	if s.folder != nil {
		err = s.folder.Close()
	}
	s.unlock()
	for _, l := range []net.Listener{s.listener, s.ops} {
		if l != nil {
			l.Close() //nolint:errcheck // the HTTP server has usually closed it
		}
	}
	return err
}

// listenOn opens an address. Its error says how to fix the problem.
func (s *Server) listenOn(ctx context.Context, flag, addr string) (listener net.Listener, err error) {
	if s.options.Listen != nil {
		listener, err = s.options.Listen(ctx, addr)
	} else {
		listener, err = new(net.ListenConfig).Listen(ctx, network(addr), addr)
	}
	if err == nil {
		return listener, nil
	}
	advice := flag + " takes HOST:PORT, such as 127.0.0.1:8080"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "another server is running there, stop it or choose another " + flag
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "this machine has no such address, choose another " + flag
	case errors.Is(err, fs.ErrPermission):
		advice = "this user may not listen there, choose an " + flag + " with a port above 1023"
	}
	return nil, fmt.Errorf("cannot listen on %s: %s: %w", addr, advice, err)
}

// network returns "tcp4" for IPv4 addresses: with "tcp", Go would open 0.0.0.0 for all of IPv6 too.
func network(addr string) string {
	if at, err := netip.ParseAddrPort(addr); err == nil && at.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}
