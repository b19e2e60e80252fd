package main

import (
	"errors"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/credential"
)

type keysCommands struct {
	Create keysCreateCommand `cmd:"" help:"Make a key for a device, and print it once."`
	List   keysListCommand   `cmd:"" help:"List the keys of devices."`
	Revoke keysRevokeCommand `cmd:"" help:"End a key now."`
	Rotate keysRotateCommand `cmd:"" help:"Make a new secret that signs the sessions of guests."`
}

// withKeys opens the control records of an installation for f.
func (p *program) withKeys(on awsFlag, f func(credential.Store) error) error {
	return p.withPartly(on, embedded.ControlRecords, func(i *operator.Installation) error {
		if i.Credentials == nil {
			return errors.New("control.db could not be opened, where the keys are")
		}
		return f(i.Credentials)
	})
}

func keysOf(store credential.Store) credential.Keys {
	return credential.Keys{Store: store, Now: time.Now}
}

// year is how long a key lasts by default.
const year = 365 * 24 * time.Hour

type keysCreateCommand struct {
	Name    string        `arg:"" help:"Name of the device, such as kitchen-screen: it is in log lines and events."`
	Role    string        `help:"What the device may do: guest, kitchen, cashier, operator or auditor." required:"" placeholder:"ROLE"`
	Expires time.Duration `help:"How long the key is accepted. Default: a year." default:"8760h" placeholder:"DURATION"`
	JSON    bool          `help:"Print JSON." name:"json"`
	awsFlag
}

func (keysCreateCommand) Help() string {
	return `The key is printed once and stored as a hash: whoever loses it gets a new one. The device sends it in the header x-api-key. To replace a key, make another of the same name, give it to the device, then revoke the old one. A server that serves everybody asks for keys when it is started again.

Examples:

    gakushoku keys create kitchen-screen --role kitchen
    gakushoku keys create till-1 --role cashier --expires 720h --aws canteen`
}

func (c *keysCreateCommand) Run(p *program) error {
	if err := checkRole(c.Role); err != nil {
		return err
	}
	if err := credential.CheckName(c.Name); err != nil {
		return usagef("%v", err)
	}
	if c.Expires <= 0 || c.Expires > 10*year {
		return usagef("--expires: a key lasts more than no time and at most ten years, not %s", c.Expires)
	}
	return p.withKeys(c.awsFlag, func(store credential.Store) error {
		shown, key, err := keysOf(store).Create(p.ctx, c.Name, c.Role, c.Expires)
		if err != nil {
			return err
		}
		made := struct {
			listedKey
			Key string `json:"key"`
		}{listed(key, time.Now()), shown}
		return p.present(c.JSON, made, func() {
			p.printf("%s\n\nThis is the key of %s (%s, id %s), until %s. It is not shown again.\n", //nolint:errcheck // kept by stdout
				shown, key.Name, key.Role, key.ID, key.Expires.Format(time.RFC3339))
		})
	})
}

// listedKey is a key as it is shown. It lacks the digest, which is of no use to anybody.
type listedKey struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	State   string    `json:"state"` // live, expired or revoked
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Revoked time.Time `json:"revoked,omitzero"`
}

func listed(k credential.Key, now time.Time) listedKey {
	state := "live"
	switch {
	case !k.Revoked.IsZero():
		state = "revoked"
	case !k.Live(now):
		state = "expired"
	case !identity.KnownRole(k.Role):
		state = "of no role"
	}
	return listedKey{ID: k.ID, Name: k.Name, Role: k.Role, State: state, Created: k.Created, Expires: k.Expires, Revoked: k.Revoked}
}

type keysListCommand struct {
	JSON bool `help:"Print JSON, one key a line." name:"json"`
	awsFlag
}

func (c *keysListCommand) Run(p *program) error {
	return p.withKeys(c.awsFlag, func(store credential.Store) error {
		keys, err := keysOf(store).List(p.ctx)
		if err != nil {
			return err
		}
		return c.show(p, keys)
	})
}

func (c *keysListCommand) show(p *program, keys []credential.Key) error {
	if len(keys) == 0 && !c.JSON {
		return p.printf("There are no device keys: make one with gakushoku keys create.\n")
	}
	now := time.Now()
	if c.JSON {
		for _, k := range keys {
			if err := p.printLine(listed(k, now)); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable(p.stdout, "ID\tNAME\tROLE\tSTATE\tCREATED\tEXPIRES")
	for _, k := range keys {
		one := listed(k, now)
		t.line("%s\t%s\t%s\t%s\t%s\t%s", one.ID, one.Name, one.Role, one.State, one.Created.Format(time.RFC3339), one.Expires.Format(time.RFC3339))
	}
	return t.Flush()
}

type keysRevokeCommand struct {
	ID string `arg:"" help:"The key's id, as keys list shows it."`
	awsFlag
}

func (c *keysRevokeCommand) Run(p *program) error {
	return p.withKeys(c.awsFlag, func(store credential.Store) error {
		key, err := keysOf(store).Revoke(p.ctx, c.ID)
		if errors.Is(err, credential.ErrNoKey) {
			return usagef("%v: see gakushoku keys list", err)
		}
		if err != nil {
			return err
		}
		return p.printf("The key of %s (id %s) is revoked since %s. Servers refuse it within seconds.\n", key.Name, key.ID, key.Revoked.Format(time.RFC3339))
	})
}

type keysRotateCommand struct {
	EndSessions bool `help:"End all sessions of guests within seconds, as after a secret has leaked. They lose sight of the orders they have placed."`
	awsFlag
}

func (keysRotateCommand) Help() string {
	return `The newest secret signs; sessions of older ones go on until they end by themselves, within a day. With --end-sessions they end when servers have read the secrets again: within a second or two on a data folder, five on AWS.

Examples:

    gakushoku keys rotate
    gakushoku keys rotate --end-sessions --aws canteen`
}

func (c *keysRotateCommand) Run(p *program) error {
	return p.withKeys(c.awsFlag, func(store credential.Store) error {
		secret, err := credential.Secrets{Store: store, Now: time.Now}.Rotate(p.ctx, c.EndSessions)
		if err != nil {
			return err
		}
		return p.printf("Secret %s signs the sessions of guests from now on.\n", secret.ID)
	})
}
