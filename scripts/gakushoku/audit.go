package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/audit"
	"gakushoku/internal/store/files"
)

type auditCommands struct {
	List   auditListCommand   `cmd:"" help:"Show who sent which command, and what became of it."`
	Verify auditVerifyCommand `cmd:"" help:"Prove that nothing recorded was changed: chain, signed checkpoints, objects, events."`
	Accept auditAcceptCommand `cmd:"" help:"Go on after signed checkpoints or the keys of subjects were lost for good."`
	Key    auditKeyCommand    `cmd:"" help:"Print the public key that checkpoints are signed with."`
}

// errNotSigned is about an installation that signs no checkpoints.
var errNotSigned = errors.New("this installation signs no checkpoints of its log")

type auditVerifyCommand struct {
	PublicKey   string `help:"Trust the keys in this PEM file instead of those that the installation names: what an auditor keeps elsewhere." type:"existingfile" placeholder:"FILE"`
	Checkpoints string `help:"Compare with the signed checkpoints in this folder too: a copy that was kept elsewhere." type:"existingdir" placeholder:"DIR"`
	JSON        bool   `help:"Print the report as JSON." name:"json"`
	awsFlag
}

func (auditVerifyCommand) Help() string {
	return `Each segment of the log names the hash of the log before it, and each hour the hash of the whole is signed. This command follows the chain from the first segment to the head, compares it with every signed checkpoint, reads every object against its digest and compares every event with the event store.

Whoever may write the whole data folder can also sign anew with the key in it. To find that, keep the key elsewhere (serve --audit-key), or keep the public key and copies of the checkpoints elsewhere (audit key, serve --checkpoints-to) and give them here. On AWS, KMS keeps the key.

Exit code: 0 nothing was changed; 1 something was, or is damaged (runbook audit-broken); 2 it could not be told.

Examples:

    gakushoku audit verify
    gakushoku audit verify --public-key audit.pem --checkpoints /mnt/elsewhere
    gakushoku audit verify --aws canteen --json`
}

func (c *auditVerifyCommand) Run(p *program) error {
	var report *audit.Report
	started := time.Now()
	err := p.withPartly(c.awsFlag, embedded.NumberedLog, func(i *operator.Installation) (err error) {
		v := audit.Verification{Log: i.LogCheck, Subjects: i.Subjects, Streams: i.Streams}
		if v.Seals, err = c.seals(p.ctx, i.Seals); err != nil {
			return err
		}
		var options logcheck.Options
		end := p.archiveProgress(&options)
		v.Progress = options.Progress
		report, err = v.Verify(p.ctx)
		end()
		if err != nil {
			return err
		}
		return p.present(c.JSON, report, func() { p.showAuditReport(report, time.Since(started)) })
	})
	return judged(err, report != nil && report.Sound, "the audit log")
}

// seals returns the installation's check with what the options name.
func (c *auditVerifyCommand) seals(ctx context.Context, of *seal.Check) (*seal.Check, error) {
	if of == nil {
		return nil, errNotSigned
	}
	check := &seal.Check{Ledger: of.Ledger, Places: slices.Clone(of.Places), Trust: of.Trust, Expected: of.Expected}
	if c.PublicKey != "" {
		keys := seal.Keys{}
		text, err := os.ReadFile(c.PublicKey)
		if err == nil {
			err = keys.ParsePublic(text)
		}
		if err != nil {
			return nil, usagef("--public-key: %v", err)
		}
		check.Trust = func(context.Context) (seal.Keys, error) { return keys, nil }
	}
	if c.Checkpoints != "" {
		copies, err := copiesIn(ctx, c.Checkpoints)
		if err != nil {
			return nil, err
		}
		check.Places = append(check.Places, copies)
	}
	return check, nil
}

// copiesIn opens a folder of copied checkpoints. One without any, such as a disk that is not mounted, would prove
// nothing and look sound.
func copiesIn(ctx context.Context, dir string) (eventlog.BlobReader, error) {
	blobs, err := files.OpenBlobs(dir)
	if err != nil {
		return nil, err
	}
	found, err := blobs.List(ctx, seal.Folder, "", 1)
	if err == nil && len(found) == 0 {
		err = usagef("--checkpoints: %s has no %s*.json: give the folder that serve --checkpoints-to wrote to", dir, seal.Folder)
	}
	return blobs, err
}

func (p *program) showAuditReport(r *audit.Report, took time.Duration) {
	p.printf("%s in %s, looked at in %s\n", plural(int64(r.Chain.Head.Number), "event"), plural(int64(r.Chain.Head.Segments), "segment"), took.Round(time.Millisecond))
	switch {
	case r.Chain.Head.Number == 0:
	case r.Chain.Since == 0:
		p.printf("No segment is chained yet: they are from before the chain, the next one covers them.\n")
	case r.Chain.Without > 0:
		p.printf("Chained from event %d on; %s from before the chain, which the first chained one covers.\n", r.Chain.Since, plural(int64(r.Chain.Without), "segment"))
	}
	if n := r.Log.Unarchived; n > 0 {
		p.printf("%s of the event store not archived yet: nothing proves them until they are archived and signed.\n", plural(int64(n), "event"))
	}
	if newest := r.Chain.Newest; newest != nil {
		p.printf("%s checked, the newest of %s up to event %d; %s after it.\n", plural(int64(r.Chain.Seals), "signed checkpoint"), newest.At, newest.Number, plural(int64(r.Chain.Unsealed), "event"))
	} else if r.Chain.Head.Number > 0 && r.Chain.Total == 0 {
		p.printf("There is no signed checkpoint yet, so nothing proves that the log was not made anew: a running server signs one each hour.\n")
	}
	if len(r.Chain.Problems) > 0 {
		table := newTable(p.stdout, "KIND\tEVENT\tWHAT")
		for _, problem := range r.Chain.Problems {
			table.line("%s\t%d\t%s", problem.Kind, problem.Number, plain(problem.Detail))
		}
		table.Flush()
		p.printMore(r.Chain.Total - len(r.Chain.Problems))
	}
	p.showFindings(&r.Log.Findings)
	p.showCommands(&r.Commands)
	p.showLostKeys(&r.Keys)
	if r.Sound {
		p.printf("Nothing was changed.\n")
		return
	}
	p.printf("%s: infra/runbooks/audit-broken.md says what to do.\n", plural(int64(r.Problems()), "problem"))
}

func (p *program) showLostKeys(k *audit.Keys) {
	if k.Total == 0 {
		return
	}
	p.printf("%s whose key is not there and who were not erased; %s of theirs name nobody any more:\n", plural(int64(k.Total), "subject"), plural(int64(k.Events), "event"))
	for _, lost := range k.Lost {
		p.printf("  %s, %s from event %d on: %s\n", plain(lost.Subject), plural(int64(lost.Events), "event"), lost.First, lost.Why)
	}
	p.printMore(k.Total - len(k.Lost))
}

type auditAcceptCommand struct{ awsFlag }

func (auditAcceptCommand) Help() string {
	return `When signed checkpoints that were there are gone, nothing is signed or repaired. Put them back first: from a folder of serve --checkpoints-to, or a backup. Likewise the keys of subjects (keys.db), without which nobody can read who sent commands. If they are nowhere, this command takes what is left for the right one, so that the next round signs the log as it is. That is recorded in the log, and audit verify says so from then on. It accepts nothing else: not a log that contradicts the checkpoints it has.

Exit code: 0 accepted, or nothing is missing; 1 refused; 2 it could not be told.

Examples:

    gakushoku audit accept
    gakushoku audit accept --aws canteen`
}

func (c *auditAcceptCommand) Run(p *program) error {
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		if i.Seals == nil || i.Checkpoints == nil {
			return errNotSigned
		}
		a := audit.Acceptance{Seals: i.Seals, Checkpoints: i.Checkpoints, Streams: i.Streams, Now: time.Now, NewID: observe.NewID}
		if i.Subjects != nil {
			a.Witness = &audit.Witness{Subjects: i.Subjects, Checkpoints: i.Checkpoints}
		}
		losses, err := a.Accept(p.ctx)
		for _, loss := range losses {
			p.printf("Accepted, and recorded in the log: the %s up to event %d are lost.\n", loss.What, loss.UpTo)
		}
		if len(losses) == 0 && err == nil {
			return p.printf("Nothing is missing; nothing was changed.\n")
		}
		return err
	})
}

type auditKeyCommand struct{ awsFlag }

func (auditKeyCommand) Help() string {
	return `Anybody can check a signed checkpoint with the public key: keep it where those who may write the log cannot change it, and give it to auditors. If there were several keys, all are printed.

Examples:

    gakushoku audit key > audit.pem
    gakushoku audit key --aws canteen > audit.pem`
}

func (c *auditKeyCommand) Run(p *program) error {
	return p.withPartly(c.awsFlag, embedded.NumberedLog, func(i *operator.Installation) error {
		if i.Seals == nil {
			return errNotSigned
		}
		keys, err := i.Seals.Trust(p.ctx)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return errors.New("there is no key yet: the first `gakushoku serve` makes it")
		}
		for _, id := range slices.Sorted(maps.Keys(keys)) {
			text, err := seal.EncodePublic(keys[id])
			if err != nil {
				return err
			}
			if err := p.printf("%s", text); err != nil {
				return err
			}
		}
		return nil
	})
}
