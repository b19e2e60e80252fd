package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/audit"
)

type auditListCommand struct {
	User    string `help:"Only commands of this caller, by the opaque id." placeholder:"ID"`
	Command string `help:"Only commands of this name, such as PayOrder." placeholder:"NAME"`
	Route   string `help:"Only commands whose route contains this text, such as /pay." placeholder:"TEXT"`
	Result  string `help:"Only these: accepted or refused." enum:",accepted,refused" default:"" placeholder:"RESULT"`
	Since   moment `help:"Only from this time on: a time, or how long ago, such as 24h." placeholder:"TIME"`
	Until   moment `help:"Only before this time." placeholder:"TIME"`
	JSON    bool   `help:"Print one JSON object a line." name:"json" xor:"form"`
	CSV     bool   `help:"Print CSV with a heading." name:"csv" xor:"form"`
	awsFlag
}

func (auditListCommand) Help() string {
	return `Every command that was accepted, and every one that was refused to a known caller, the oldest first: when, what, who in which role, by which route, from which address with which program, in which operation, with which outcome. Name, address, program and words of their own, such as a reason, are decrypted with the caller's key; of erased callers they are gone, the rest stays. Refusals to anonymous callers are counted and logged only.

Examples:

    gakushoku audit list --since 24h --result refused
    gakushoku audit list --user 01K5 --json
    gakushoku audit list --command PayOrder --csv > payments.csv`
}

// lister returns what lists the commands of an installation, whose log it brings up to date.
func (p *program) lister(i *operator.Installation) (*audit.Lister, error) {
	if i.LogCheck.CatchUp != nil {
		if err := i.LogCheck.CatchUp(p.ctx); err != nil {
			return nil, err
		}
	}
	return &audit.Lister{
		Log: &eventlog.Reader{Ledger: i.LogCheck.Ledger, Blobs: i.LogCheck.Blobs}, Box: &subject.Box{Keys: i.Subjects, Now: time.Now},
	}, nil
}

func (c *auditListCommand) Run(p *program) error {
	return p.withPartly(c.awsFlag, embedded.NumberedLog, func(i *operator.Installation) error {
		l, err := p.lister(i)
		if err != nil {
			return err
		}
		entries, err := l.List(p.ctx, audit.Filter{
			User: c.User, Command: c.Command, Route: c.Route, Result: c.Result, Since: c.Since.instant(), Until: c.Until.instant(),
		})
		if err != nil {
			return err
		}
		switch {
		case c.JSON:
			for k := range entries {
				if err := p.printLine(&entries[k]); err != nil {
					return err
				}
			}
			return nil
		case c.CSV:
			return p.writeEntries(entries)
		}
		p.showEntries(entries)
		return p.stdout.err
	})
}

func (p *program) showEntries(entries []audit.Entry) {
	if len(entries) == 0 {
		p.printf("There is no such command.\n")
		return
	}
	table := newTable(p.stdout, "TIME\tRESULT\tCOMMAND\tON\tCALLER\tROLE\tADDRESS\tOPERATION")
	for k := range entries {
		e := &entries[k]
		result := e.Result
		if e.Code != "" {
			result += " (" + e.Code + ")"
		}
		address := e.Address
		if e.Erased {
			address = "erased"
		}
		table.line("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", e.At, plain(result), orDash(plain(e.Command)), orDash(plain(e.On)), orDash(plain(e.Caller)), orDash(plain(e.Role)), orDash(plain(address)), plain(e.CorrelationID))
	}
	table.Flush()
}

// writeEntries writes entries as CSV.
func (p *program) writeEntries(entries []audit.Entry) error {
	w := csv.NewWriter(p.stdout)
	w.Write([]string{"time", "result", "code", "command", "on", "caller", "role", "route", "name", "address", "program", "erased", "correlationId", "eventNumber", "events", "words"}) //nolint:errcheck // Error tells
	for k := range entries {
		e := &entries[k]
		w.Write([]string{ //nolint:errcheck // likewise
			e.At.String(), e.Result, e.Code, cell(e.Command), cell(e.On), cell(e.Caller), cell(e.Role), cell(e.Route), cell(e.Name), cell(e.Address), cell(e.Program),
			strconv.FormatBool(e.Erased), cell(e.CorrelationID), strconv.FormatUint(e.EventNumber, 10), strconv.Itoa(e.Events), cell(e.Words),
		})
	}
	w.Flush()
	return w.Error()
}

// cell keeps a spreadsheet from taking what a caller sent for a formula.
func cell(text string) string {
	if text != "" && (text[0] == '=' || text[0] == '+' || text[0] == '-' || text[0] == '@' || text[0] == '\t' || text[0] == '\r') {
		return "'" + text
	}
	return text
}

func (p *program) showCommands(c *audit.Commands) {
	if c.Accepted+c.Refused+c.Before+c.Missing == 0 {
		return
	}
	p.printf("%s of accepted commands with their entry, %s", plural(int64(c.Accepted), "event"), plural(int64(c.Refused), "refused command"))
	if c.Before > 0 {
		p.printf(", %s from before there were entries", plural(int64(c.Before), "event"))
	}
	p.printf(".\n")
	for _, lacking := range c.Lacking {
		p.printf("without an entry: %s\n", plain(lacking))
	}
	p.printMore(int(c.Missing) - len(c.Lacking))
	for _, loss := range c.Losses {
		p.printf("an operator accepted a loss: %s\n", plain(loss))
	}
}

type subjectCommands struct {
	Erase subjectEraseCommand `cmd:"" help:"Make unreadable who a person was: name, address and program of everything they did."`
	Find  subjectFindCommand  `cmd:"" help:"Look everywhere for plain text that names a person."`
}

// subjectOptions are what both commands have.
type subjectOptions struct {
	ID   string   `arg:"" help:"The opaque id of the caller, as audit list shows it; anonymous-DAY for everybody unknown of a day."`
	Text []string `help:"Look for this text too, such as a name or an e-mail address." placeholder:"TEXT"`
	JSON bool     `help:"Print JSON." name:"json"`
	awsFlag
}

type subjectEraseCommand struct{ subjectOptions }

func (subjectEraseCommand) Help() string {
	return `Destroys the key under which the caller's name, address and program are encrypted, leaves a tombstone that a restore honours, and then looks for plain text in events, log, read models, log lines and traces. What they did stays recorded under the opaque id, and no read model or total changes. A second call changes nothing. This cannot be taken back.

Ids that a client chose (of orders and operations, and Idempotency-Keys) stay, since they are what people search by; the first are shown, for you to judge whether they name anybody.

Exit code: 0 erased, or erased before, and no plain text is left; 1 plain text is left, or it failed; 2 there is no such caller.

Examples:

    gakushoku subject erase 01K5RZ0V7M
    gakushoku subject erase 01K5RZ0V7M --text "Aiko Tanaka" --json`
}

func (c *subjectEraseCommand) Run(p *program) error {
	return c.run(p, func(s *audit.Subjects) (*audit.Found, error) { return s.Erase(p.ctx, c.ID, c.Text) })
}

type subjectFindCommand struct{ subjectOptions }

func (subjectFindCommand) Help() string {
	return `Decrypts what is known about the caller, as long as their key is there, and looks for that, and for each --text, in events, log, read models, log lines and traces. Nothing is changed. Addresses of this machine are left out.

Exit code: 0 no plain text was found; 1 some was; 2 it could not be told, or there is no such caller.

Examples:

    gakushoku subject find 01K5RZ0V7M
    gakushoku subject find 01K5RZ0V7M --text "Aiko Tanaka"`
}

func (c *subjectFindCommand) Run(p *program) error {
	return c.run(p, func(s *audit.Subjects) (*audit.Found, error) { return s.Find(p.ctx, c.ID, c.Text) })
}

func (o *subjectOptions) run(p *program, do func(*audit.Subjects) (*audit.Found, error)) error {
	return p.withInstallation(o.awsFlag, func(i *operator.Installation) error {
		found, err := do(subjectsOf(i))
		if errors.Is(err, audit.ErrUnknownSubject) {
			return usagef("nothing is recorded of a caller %q, and nothing was changed: `gakushoku audit list` shows the ids of callers, --json in full", o.ID)
		}
		if err != nil {
			return err
		}
		if err := p.present(o.JSON, found, func() { p.showFound(found) }); err != nil {
			return err
		}
		if n := found.Total(); n > 0 {
			return fmt.Errorf("plain text that names %s is left in %s", found.Subject, plural(int64(n), "place"))
		}
		return nil
	})
}

func subjectsOf(i *operator.Installation) *audit.Subjects {
	return &audit.Subjects{
		Eraser: &subject.Eraser{Keys: i.Subjects, Streams: i.Streams, Now: time.Now, NewID: observe.NewID},
		Box:    &subject.Box{Keys: i.Subjects, Now: time.Now}, Store: i.LogCheck.Store, EachEvent: i.EachEvent, Elsewhere: i.Sweep,
	}
}

func (p *program) showFound(f *audit.Found) {
	switch {
	case f.First:
		p.printf("%s is erased, at %s.\n", plain(f.Subject), f.Erased)
	case f.Erased != 0:
		p.printf("%s is already erased, since %s; nothing was changed.\n", plain(f.Subject), f.Erased)
	}
	p.printf("%s of commands stay, under the opaque id.\n", plural(int64(f.Commands), "event"))
	if len(f.Chosen) > 0 {
		p.printf("Ids that clients chose stay too; look whether they name anybody: %s\n", plain(strings.Join(f.Chosen, ", ")))
	}
	if f.LookedAt == 0 {
		p.printf("No text is known that names this caller: give one with --text.\n")
		return
	}
	p.printf("%s looked for in: %v.\n", plural(int64(f.LookedAt), "text"), f.Places)
	for _, place := range slices.Sorted(maps.Keys(f.Plain)) {
		p.printf("%s: %s, such as in %s\n", plain(place), plural(int64(f.Plain[place]), "time"), plain(f.Examples[place]))
	}
	if f.Total() == 0 {
		p.printf("None was found.\n")
	}
}
