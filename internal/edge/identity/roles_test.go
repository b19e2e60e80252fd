package identity

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gakushoku/internal/observe"
)

// every is every scope that a role has.
func every() []string {
	var all []string
	for _, scopes := range roles {
		all = append(all, scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A caller can do what one of its roles can do, and nothing else, whatever else its token names.
func TestARoleGivesItsScopesAndNoOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		named := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(Roles()), rapid.StringMatching(`[a-z*: ]{0,12}`)), 0, 4).Draw(t, "roles")
		c := CallerWith("x", named...)
		known := slices.DeleteFunc(slices.Clone(named), func(name string) bool { return !KnownRole(name) })
		if len(known) == 0 {
			known = []string{RoleGuest}
		}
		for _, scope := range append(every(), "*", "", "orders", "x:y") {
			want := slices.ContainsFunc(known, func(role string) bool { return slices.Contains(roles[role], scope) })
			if c.Can(scope) != want {
				t.Fatalf("roles %q: Can(%q) is %v", named, scope, !want)
			}
		}
	})
}

// A need is met by any one of its scopes; what is only met by orders:own is met for one's own alone.
func TestANeedIsMetByOneOfItsScopes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		need := Need(rapid.SliceOfNDistinct(rapid.SampledFrom(every()), 1, 3, rapid.ID).Draw(t, "need"))
		has := rapid.SliceOfNDistinct(rapid.SampledFrom(every()), 0, 5, rapid.ID).Draw(t, "has")
		c := observe.Caller{Scopes: strings.Join(has, " ")}
		both := slices.DeleteFunc(slices.Clone(need), func(scope string) bool { return !slices.Contains(has, scope) })
		if need.Met(c) != (len(both) > 0) {
			t.Fatalf("need %v, has %v: Met is %v", need, has, need.Met(c))
		}
		if own := slices.Equal(both, []string{ScopeOrdersOwn}); need.Met(c) && need.OnlyOwn(c) != own {
			t.Fatalf("need %v, has %v: OnlyOwn is %v", need, has, !own)
		}
	})
}

func TestWhoMayDoEverythingIsNotHeldToTheirOwn(t *testing.T) {
	t.Parallel()
	c := observe.Caller{Scopes: observe.EveryScope}
	if need := (Need{ScopeOrdersOwn, ScopeOrdersCashier}); !need.Met(c) || need.OnlyOwn(c) {
		t.Error("a caller of an open installation sees only their own")
	}
	if !(Need{}).Met(observe.Caller{}) {
		t.Error("an operation without scopes is not for everybody")
	}
}
