package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/place"
)

// replicaFlags say how a server stands to other installations.
type replicaFlags struct {
	Fencing   string        `help:"How a server that was replaced stops: lease (it stops taking commands when the place was not reached for --lease), or manual (whoever promotes a standby makes sure that this one is down). Default: ${default}." enum:"lease,manual" default:"lease" env:"GAKUSHOKU_FENCING" placeholder:"HOW"`
	Lease     time.Duration `help:"How long a server takes commands after its last contact with the place; a promotion waits as long. Default: ${default}." default:"10s" env:"GAKUSHOKU_LEASE" placeholder:"DURATION"`
	Advertise string        `help:"Where this server takes commands, for the clients of its standbys. Default: the address it listens on." env:"GAKUSHOKU_ADVERTISE" placeholder:"URL"`
}

// minLease leaves room for some contacts with a place in the time of a lease.
const minLease = time.Second

func (f *replicaFlags) check() error {
	if f.Lease < minLease {
		return usagef("--lease: %s is below %s", f.Lease, minLease)
	}
	return nil
}

// replicaTarget returns a target as it is recorded in a data folder.
func replicaTarget(flag, target string) (string, error) {
	if err := place.Check(target); err != nil {
		return "", usagef("%s: %v", flag, err)
	}
	if strings.Contains(target, "://") {
		return target, nil
	}
	whole, err := filepath.Abs(target)
	if err != nil {
		return "", usagef("%s: %v", flag, err)
	}
	return whole, nil
}

// replicate adds to the options of a server where it copies its log to.
func (f *replicaFlags) replicate(o *embedded.ServeOptions, target string) (err error) {
	o.ManualFencing, o.Lease, o.Advertise = f.Fencing == "manual", f.Lease, f.Advertise
	switch target {
	case "":
	case "none":
		o.Alone = true
	default:
		o.ReplicateTo, err = replicaTarget("--replicate-to", target)
	}
	return err
}

type standbyCommands struct {
	Serve  standbyServeCommand  `cmd:"" default:"withargs" help:"Follow a place: serve queries, and be ready to take over."`
	Status standbyStatusCommand `cmd:"" help:"Show what this data folder is among installations, and how far its log is."`
}

type standbyServeCommand struct {
	From string `help:"The place that the primary replicates to: DIR or s3://BUCKET/PREFIX." required:"" env:"GAKUSHOKU_STANDBY_FROM" placeholder:"PLACE"`

	serverFlags
}

func (standbyServeCommand) Help() string {
	return `A standby builds its own events, log and read models from what the primary has copied to the place, and serves queries from them. Every response says how old it may be (X-Replica-Behind-Ms) and where commands go (X-Primary). A query with If-Min-Version waits up to two seconds for that version, and is refused with 503 if it has not come by then; commands are refused with 503. Any number of standbys may follow one place: they are read replicas.

"gakushoku promote" on the same data folder makes it the primary, without a restart.

Device keys and the sessions of guests are not in the log: give the keys with --api-keys.

Examples:

    gakushoku standby --from s3://canteen-replica/log --data /var/lib/gakushoku
    gakushoku standby --from /mnt/replica --addr 127.0.0.1:8090 --ops-addr 127.0.0.1:8091`
}

func (c *standbyServeCommand) Run(p *program) error {
	target, err := replicaTarget("--from", c.From)
	if err != nil {
		return err
	}
	return c.serve(p, func(o *embedded.ServeOptions) error {
		err := c.replicate(o, "")
		o.StandbyOf = target
		return err
	})
}

type standbyStatusCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

func (standbyStatusCommand) Help() string {
	return `Shows whether the data folder is a primary, a standby, or neither, how far its log is, and how far the log of the place.

Exit code: 0; 1 the folder was a primary until another one was promoted; 2 it could not be told.

Examples:

    gakushoku standby status
    gakushoku standby status --json`
}

func (c *standbyStatusCommand) Run(p *program) error {
	s, err := embedded.ReplicaStatus(p.ctx, p.data)
	if err != nil {
		return couldNotTell(err)
	}
	err = p.present(c.JSON, s, func() { p.showReplica(&s) })
	if err == nil && s.Role.Role == embedded.RoleFenced {
		err = fmt.Errorf("another installation was promoted: bring this one back with `gakushoku rejoin --from %s`", s.Place)
	}
	return err
}

func (p *program) showReplica(s *embedded.ReplicaState) {
	p.printf("%s: %s\n", p.data, cmp.Or(s.Role.Role, "on its own"))
	p.printf("its log ends at event %d\n", s.Head)
	if s.Place == "" {
		return
	}
	p.printf("%s ends at event %d", s.Place, s.PlaceHead)
	if s.Primary != "" {
		p.printf(", commands go to %s", s.Primary)
	}
	p.printf("\n")
	if s.Role.Fence > 0 {
		p.printf("promoted by the fence at event %d, %s\n", s.Role.Fence, s.Since.Format(time.RFC3339))
	}
}

type promoteCommand struct {
	PrimaryIsDown bool          `help:"State that the primary is down and will not take commands: required if it runs with --fencing=manual."`
	Timeout       time.Duration `help:"How long to try. Default: ${default}." default:"10m" placeholder:"DURATION"`
	By            string        `help:"Who promotes, for the record." env:"USER" placeholder:"NAME"`
	JSON          bool          `help:"Print JSON." name:"json"`
}

func (promoteCommand) Help() string {
	return `Puts a fence into the log of the place, which no other installation can extend from then on, and waits until the old primary cannot acknowledge anything any more. A running standby goes on as the primary, and replicates to the same place. If none runs, start it with the command that is printed.

Check first that the primary is lost, see the runbook lost-region.md: what it acknowledged and did not copy is not in the new log.

Exit code: 0 promoted; 1 it is no standby, or must not be promoted; 2 it could not be done.

Examples:

    gakushoku promote --data /var/lib/gakushoku
    gakushoku promote --primary-is-down --json`
}

func (c *promoteCommand) Run(p *program) error {
	ctx, cancel := context.WithTimeout(p.ctx, c.Timeout)
	defer cancel()
	done, err := embedded.Promote(ctx, p.data, embedded.PromoteOptions{By: c.By, Down: c.PrimaryIsDown})
	if err != nil {
		return err
	}
	return p.present(c.JSON, done, func() {
		p.printf("%s is the primary now: fence at event %d, waited %s\n", p.data, done.Fence, time.Duration(done.WaitedMs)*time.Millisecond)
		if !done.Serving {
			p.printf("start it: gakushoku serve --data %s --replicate-to %s\n", p.data, done.Place)
		}
	})
}

type rejoinCommand struct {
	From string `help:"The place that the new primary replicates to." required:"" placeholder:"PLACE"`
	Lost string `help:"The file for the events that only this folder has, as JSON lines. Default: lost-TIME.jsonl in the data folder." type:"path" placeholder:"FILE"`
	JSON bool   `help:"Print JSON." name:"json"`
}

func (rejoinCommand) Help() string {
	return `Compares the log of an old primary with that of the place, after another installation was promoted. What was acknowledged here and the new log lacks is written to a file for a person to decide about; nothing of it is merged. The old stores are set aside in the data folder, which becomes a standby. Stop its server first.

Exit code: 0; 1 nothing was promoted, or it is a standby already; 2 it could not be done.

Examples:

    gakushoku rejoin --from s3://canteen-replica/log
    gakushoku rejoin --from /mnt/replica --lost /root/lost.jsonl --json`
}

func (c *rejoinCommand) Run(p *program) error {
	target, err := replicaTarget("--from", c.From)
	if err != nil {
		return err
	}
	lost := c.Lost
	if lost == "" {
		lost = filepath.Join(p.data, "lost-"+time.Now().UTC().Format("20060102T150405")+".jsonl")
	}
	done, err := embedded.Rejoin(p.ctx, p.data, target, lost)
	if err != nil && !errors.Is(err, embedded.ErrStillPrimary) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.data, err)
	}
	return p.present(c.JSON, done, func() {
		p.printf("both logs have the events up to %d; this folder had %s\n", done.Common, plural(int64(done.Ours), "event"))
		p.printf("%s only here: %s\n", plural(int64(done.Lost), "event"), done.LostFile)
		p.printf("the old stores are in %s\n", done.SetAside)
		p.printf("start it: gakushoku standby --data %s --from %s\n", p.data, done.Place)
	})
}
