package identity

import (
	"maps"
	"slices"
	"strings"

	"gakushoku/internal/observe"
)

// The scopes of operations. infra/openapi.yaml says which operation needs which.
const (
	ScopeMenuRead      = "menu:read"      // everybody has it
	ScopeOrdersOwn     = "orders:own"     // place orders; pay, cancel and see one's own
	ScopeOrdersCashier = "orders:cashier" // orders with just a total; pay, cancel and see all
	ScopeOrdersKitchen = "orders:kitchen" // see all orders; prepare them and hand them over
	ScopeMenuWrite     = "menu:write"
	ScopeStockWrite    = "stock:write"
	ScopeSalesRead     = "sales:read"
	ScopeOpsRead       = "ops:read" // events of orders, metrics, details of health
	ScopeOpsWrite      = "ops:write"
	ScopeAuditRead     = "audit:read"
)

// RoleGuest is the role of everybody who eats here.
const RoleGuest = "guest"

// roles maps each role to its scopes.
var roles = map[string][]string{
	RoleGuest:  {ScopeMenuRead, ScopeOrdersOwn},
	"kitchen":  {ScopeMenuRead, ScopeOrdersKitchen},
	"cashier":  {ScopeMenuRead, ScopeOrdersOwn, ScopeOrdersCashier, ScopeSalesRead},
	"operator": {ScopeMenuRead, ScopeOrdersOwn, ScopeOrdersCashier, ScopeOrdersKitchen, ScopeMenuWrite, ScopeStockWrite, ScopeSalesRead, ScopeOpsRead, ScopeOpsWrite},
	"auditor":  {ScopeMenuRead, ScopeSalesRead, ScopeOpsRead, ScopeAuditRead},
}

// Roles returns the names of all roles.
func Roles() []string { return slices.Sorted(maps.Keys(roles)) }

// KnownRole reports whether there is a role of this name.
func KnownRole(role string) bool { return roles[role] != nil }

// scopesOf returns the scopes of the roles that are known among these, and their names, each with spaces
// between them. Without any the role is guest.
func scopesOf(names ...string) (role, scopes string) {
	var known, all []string
	for _, name := range names {
		if KnownRole(name) && !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	if len(known) == 0 {
		known = []string{RoleGuest}
	}
	slices.Sort(known)
	for _, name := range known {
		for _, scope := range roles[name] {
			if !slices.Contains(all, scope) {
				all = append(all, scope)
			}
		}
	}
	return strings.Join(known, " "), strings.Join(all, " ")
}

// CallerWith returns a caller with the scopes of these roles; those of a guest if none is known.
func CallerWith(name string, names ...string) observe.Caller {
	role, scopes := scopesOf(names...)
	return observe.Caller{Name: name, Role: role, Scopes: scopes}
}

// Need is what an operation needs: one of these scopes. An operation without any is for everybody, before
// anything is known of who sends the request.
type Need []string

// Met reports whether a caller has one of the scopes.
func (n Need) Met(c observe.Caller) bool {
	return len(n) == 0 || slices.ContainsFunc(n, c.Can)
}

// OnlyOwn reports whether a caller meets the need for what is their own and for nothing else.
func (n Need) OnlyOwn(c observe.Caller) bool {
	others := func(scope string) bool { return scope != ScopeOrdersOwn && c.Can(scope) }
	return c.Scopes != observe.EveryScope && slices.Contains(n, ScopeOrdersOwn) && !slices.ContainsFunc(n, others)
}

// String lists the scopes for a person.
func (n Need) String() string {
	if len(n) == 1 {
		return "scope " + n[0]
	}
	return "one of the scopes " + strings.Join(n, ", ")
}

func (n Need) scopes() string { return strings.Join(n, " ") }
