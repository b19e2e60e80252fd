package observe_test

import (
	"testing"

	"gakushoku/internal/observe"
)

func TestACallerCanDoWhatItsScopesName(t *testing.T) {
	for _, tt := range []struct {
		scopes, scope string
		want          bool
	}{
		{"books:read books:write", "books:read", true},
		{"books:read books:write", "books:write", true},
		{"books:read", "books:write", false},
		{"books:read", "books", false},
		{"books:reader", "books:read", false},
		{"books:read", "*", false},
		{"books:read *", "books:write", false}, // a scope list from outside cannot smuggle it in
		{"", "books:read", false},
		{"", "", false},
		{"books:read", "", false},
		{observe.EveryScope, "books:write", true},
	} {
		if got := (observe.Caller{Scopes: tt.scopes}).Can(tt.scope); got != tt.want {
			t.Errorf("scopes %q: Can(%q) is %v", tt.scopes, tt.scope, got)
		}
	}
}

func TestWithoutACallerNothingMayBeDone(t *testing.T) {
	if observe.CallerOf(t.Context()).Can("books:read") {
		t.Error("a context without a caller has a scope")
	}
}
