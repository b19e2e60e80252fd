package main

import (
	"net/http"
	"slices"
	"strings"

	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/observe"
)

type authzCommands struct {
	Explain authzExplainCommand `cmd:"" help:"Say whether a role may send a request, and why."`
}

type authzExplainCommand struct {
	Role   string `help:"The role: guest, kitchen, cashier, operator, auditor, or none for a request without credentials." required:"" placeholder:"ROLE"`
	Method string `arg:"" help:"The method, such as GET."`
	Path   string `arg:"" help:"The path, such as /orders/o1."`
	JSON   bool   `help:"Print JSON." name:"json"`
}

func (authzExplainCommand) Help() string {
	return `This asks the same table that servers ask, which the contract shows as x-scopes. It asks no server: what a server accepts as credentials is its configuration.

Examples:

    gakushoku authz explain --role guest GET /orders/o1
    gakushoku authz explain --role none POST /orders --json`
}

// explained is the outcome of authz explain.
type explained struct {
	Role      string   `json:"role"`
	Request   string   `json:"request"`
	Operation string   `json:"operation"`
	Needs     []string `json:"needs"` // one of these scopes; none: it is for everybody
	Has       []string `json:"has"`
	Allowed   bool     `json:"allowed"`
	OwnOnly   bool     `json:"ownOnly"`
	Answer    string   `json:"answer"`
}

func (c *authzExplainCommand) Run(p *program) error {
	caller := (&identity.Authenticator{}).Anonymous()
	if c.Role != "none" {
		if err := checkRole(c.Role); err != nil {
			return err
		}
		caller = identity.CallerWith("somebody", c.Role)
	}
	method := strings.ToUpper(c.Method)
	operation, ok := operationOf(method, c.Path)
	if !ok {
		return usagef("no operation is %s %s: paths begin with /, such as /orders/o1; \"curl http://127.0.0.1:8080/openapi.json\" shows all of a server", method, c.Path)
	}
	e := explain(operation, caller)
	e.Role, e.Request = c.Role, method+" "+c.Path
	return p.present(c.JSON, e, func() {
		p.printf("%s is %s (%s %s).\n", e.Request, e.Operation, operation.Method, operation.Path)                            //nolint:errcheck // kept by stdout
		p.printf("It needs: %s\n", orNone(e.Needs, "nothing, it is for everybody"))                                          //nolint:errcheck // likewise
		p.printf("Role %s has: %s\n%s\n", e.Role, orNone(e.Has, "no scope"), strings.ToUpper(e.Answer[:1])+e.Answer[1:]+".") //nolint:errcheck // likewise
	})
}

func orNone(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

// operationOf returns the operation of a request.
func operationOf(method, path string) (httpapi.Operation, bool) {
	all := httpapi.Operations()
	mux := http.NewServeMux()
	for _, o := range all {
		mux.HandleFunc(o.Method+" "+o.Path, func(http.ResponseWriter, *http.Request) {})
	}
	r, err := http.NewRequest(method, path, nil) //nolint:noctx // it is not sent
	if err != nil {
		return httpapi.Operation{}, false
	}
	_, pattern := mux.Handler(r)
	at := slices.IndexFunc(all, func(o httpapi.Operation) bool { return o.Method+" "+o.Path == pattern })
	if at < 0 {
		return httpapi.Operation{}, false
	}
	return all[at], true
}

func explain(o httpapi.Operation, caller observe.Caller) explained {
	e := explained{Operation: o.ID, Needs: append([]string{}, o.Needs...), Has: strings.Fields(caller.Scopes), Allowed: o.Needs.Met(caller)}
	switch {
	case !e.Allowed && caller.Role == "":
		e.Answer = "refused with 401: credentials are needed"
	case !e.Allowed:
		e.Answer = "refused with 403: it has none of the scopes"
	case len(o.Needs) == 0:
		e.Answer = "allowed, without credentials too"
	case o.Needs.OnlyOwn(caller):
		e.OwnOnly, e.Answer = true, "allowed for the caller's own orders; another's order is 404"
	default:
		e.Answer = "allowed"
	}
	return e
}
