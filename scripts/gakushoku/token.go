package main

import (
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/edge/identity/devissuer"
)

type tokenCommand struct {
	Role    string        `help:"Role of the caller: guest, kitchen, cashier, operator or auditor." default:"guest" placeholder:"ROLE"`
	Subject string        `help:"Who the caller is. Default: ${default}." default:"developer" placeholder:"NAME"`
	Expires time.Duration `help:"How long the token is accepted. Default: ${default}." default:"8h" placeholder:"DURATION"`
	Keys    bool          `help:"Print the public key instead, as a JSON Web Key Set: for --jwks, or the parameter KeySet of a stack."`
}

func (tokenCommand) Help() string {
	return `The token is for local work and tests. It is signed with a key in the data folder, which is made when it is first needed. A server accepts it only when it is started with --development-issuer, or is given the key: --issuer ` + devissuer.Issuer + ` --audience ` + devissuer.Audience + ` --jwks "$(gakushoku token --keys)".

Examples:

    gakushoku serve --development-issuer
    curl -H "Authorization: Bearer $(gakushoku token --role kitchen)" http://127.0.0.1:8080/orders`
}

func (c *tokenCommand) Run(p *program) error {
	if err := checkRole(c.Role); err != nil {
		return err
	}
	switch {
	case c.Subject == "":
		return usagef("--subject: it must not be empty")
	case c.Expires <= 0:
		return usagef("--expires: %s is no time that a token could be accepted for, give one above 0 such as 8h", c.Expires)
	}
	return p.withFolder(true, func(f *embedded.Folder) error {
		key, err := devissuer.Open(f.Dir)
		if err != nil {
			return err
		}
		text := ""
		if c.Keys {
			text, err = key.KeySet()
		} else {
			text, err = key.Token(c.Subject, c.Role, time.Now(), c.Expires)
		}
		if err != nil {
			return err
		}
		return p.printf("%s\n", text)
	})
}
