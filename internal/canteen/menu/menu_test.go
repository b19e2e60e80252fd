package menu_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

var curry = menu.Details{NameJa: "カレーライス", NameEn: "Curry and rice", CategoryID: "rice", Price: 420, Allergens: []string{"wheat", "milk"}, Offered: true}

// outcome executes a command, checks that its events can be imported, and returns their types or the refusal.
func outcome[S any, C model.Command](t interface{ Fatal(...any) }, d model.Decider[S, C], s S, id string, c C) (S, string) {
	payloads, err := d.Decide(s, c)
	if refused := (*refusal.Error)(nil); errors.As(err, &refused) {
		return s, refused.Code
	}
	var types []string
	for _, p := range payloads {
		e, err := event.New(p)
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.Stream = "e1", d.Kind.Stream(id)
		if err := event.Check(&e); err != nil {
			t.Fatal(err)
		}
		if s, err = d.Evolve(s, &e); err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type)
	}
	return s, strings.Join(types, ",")
}

func TestAProductsLife(t *testing.T) {
	t.Parallel()
	dearer := curry
	dearer.Price = 450
	var p menu.Product
	for i, step := range []struct {
		c    menu.ProductCommand
		want string
	}{
		{menu.RemoveProduct{}, menu.CodeProductNotFound},
		{menu.SetProduct{ProductID: "curry", Details: curry}, menu.ProductSetType},
		{menu.SetProduct{ProductID: "curry", Details: curry}, ""},
		{menu.SetProduct{ProductID: "curry", Details: dearer}, menu.ProductSetType},
		{menu.RemoveProduct{}, menu.ProductRemovedType},
		{menu.RemoveProduct{}, ""},
		{menu.SetProduct{ProductID: "curry", Details: dearer}, menu.ProductSetType},
	} {
		var got string
		if p, got = outcome(t, menu.ProductRules, p, "curry", step.c); got != step.want {
			t.Errorf("step %d: got %q, want %q", i+1, got, step.want)
		}
	}
	if diff := cmp.Diff(menu.Product{ProductID: "curry", Details: dearer}, p); diff != "" || !p.Exists() {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestACategorysLife(t *testing.T) {
	t.Parallel()
	rice := menu.SetCategory{CategoryID: "rice", NameJa: "ご飯もの", Position: 1}
	later := rice
	later.Position = 2
	var c menu.Category
	for i, step := range []struct {
		c    menu.CategoryCommand
		want string
	}{
		{menu.RemoveCategory{}, menu.CodeCategoryNotFound},
		{rice, menu.CategorySetType}, {rice, ""}, {later, menu.CategorySetType},
		{menu.RemoveCategory{}, menu.CategoryRemovedType}, {menu.RemoveCategory{}, ""}, {later, menu.CategorySetType},
	} {
		var got string
		if c, got = outcome(t, menu.CategoryRules, c, "rice", step.c); got != step.want {
			t.Errorf("step %d: got %q, want %q", i+1, got, step.want)
		}
	}
	if c != (menu.Category{CategoryID: "rice", NameJa: "ご飯もの", Position: 2}) {
		t.Errorf("it ends as %+v", c)
	}
}

func TestWhatComesInIsChecked(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 201)
	for name, change := range map[string]func(*menu.SetProduct){
		"no id":                    func(p *menu.SetProduct) { p.ProductID = "" },
		"an id with a slash":       func(p *menu.SetProduct) { p.ProductID = "a/b" },
		"too long an id":           func(p *menu.SetProduct) { p.ProductID = strings.Repeat("x", menu.MaxIDBytes+1) },
		"no Japanese name":         func(p *menu.SetProduct) { p.NameJa = "" },
		"too long a name":          func(p *menu.SetProduct) { p.NameEn = long },
		"a name with a line break": func(p *menu.SetProduct) { p.NameJa = "a\nb" },
		"no price":                 func(p *menu.SetProduct) { p.Price = 0 },
		"a price beyond all":       func(p *menu.SetProduct) { p.Price = 1_000_001 },
		"a category with a space":  func(p *menu.SetProduct) { p.CategoryID = "a b" },
		"an allergen twice":        func(p *menu.SetProduct) { p.Allergens = []string{"egg", "egg"} },
		"an allergen without name": func(p *menu.SetProduct) { p.Allergens = []string{""} },
		"too long an allergen":     func(p *menu.SetProduct) { p.Allergens = []string{long} },
		"too many allergens":       func(p *menu.SetProduct) { p.Allergens = make([]string, menu.MaxAllergens+1) },
	} {
		c := menu.SetProduct{ProductID: "curry", Details: curry}
		change(&c)
		if _, got := outcome(t, menu.ProductRules, menu.Product{}, c.ProductID, menu.ProductCommand(c)); got != menu.CodeInvalidProduct {
			t.Errorf("a product with %s: %q", name, got)
		}
	}
	for name, c := range map[string]menu.SetCategory{
		"no id": {NameJa: "x"}, "no name": {CategoryID: "rice"}, "a negative position": {CategoryID: "rice", NameJa: "x", Position: -1},
		"a position beyond all": {CategoryID: "rice", NameJa: "x", Position: menu.MaxPosition + 1}, "too long a name": {CategoryID: "rice", NameJa: "x", NameEn: long},
	} {
		if _, got := outcome(t, menu.CategoryRules, menu.Category{}, c.CategoryID, menu.CategoryCommand(c)); got != menu.CodeInvalidCategory {
			t.Errorf("a category with %s: %q", name, got)
		}
	}
}

// TestWhatIsDecidedIsWhatIsRead: whatever a product is set to is what its event says, and setting it again
// leads to nothing.
func TestWhatIsDecidedIsWhatIsRead(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[a-zカレー丼&<">\\]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		c := menu.SetProduct{ProductID: "p1", Details: menu.Details{
			NameJa: name.Draw(t, "ja"), NameEn: rapid.OneOf(rapid.Just(""), name).Draw(t, "en"), CategoryID: rapid.SampledFrom([]string{"", "rice"}).Draw(t, "category"),
			Price: rapid.Int64Range(1, 1_000_000).Draw(t, "price"), Allergens: rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "allergens"), Offered: rapid.Bool().Draw(t, "offered"),
		}}
		if len(c.Allergens) == 0 {
			c.Allergens = nil
		}
		p, _ := outcome(t, menu.ProductRules, menu.Product{}, "p1", menu.ProductCommand(c))
		if diff := cmp.Diff(menu.Product{ProductID: "p1", Details: c.Details}, p); diff != "" {
			t.Fatal(diff)
		}
		if _, again := outcome(t, menu.ProductRules, p, "p1", menu.ProductCommand(c)); again != "" {
			t.Fatalf("setting it again leads to %s", again)
		}
	})
}

func TestEventsThatDoNotFollowAreRefused(t *testing.T) {
	t.Parallel()
	for _, p := range []event.Payload{menu.ProductRemoved{ProductID: "p"}, menu.CategoryRemoved{CategoryID: "c"}} {
		e, err := event.New(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := menu.EvolveProduct(menu.Product{}, &e); err == nil {
			t.Errorf("%s for no product", e.Type)
		}
		if _, err := menu.EvolveCategory(menu.Category{}, &e); err == nil {
			t.Errorf("%s for no category", e.Type)
		}
	}
	if _, err := menu.EvolveProduct(menu.Product{}, &event.Event{Type: menu.ProductSetType, Schema: 1, Payload: []byte(`{"productId":"p","nameJa":"x","price":1}`)}); err == nil {
		t.Error("a product that does not say whether it is offered")
	}
	if _, err := menu.EvolveProduct(menu.Product{}, &event.Event{Type: menu.ProductSetType, Schema: 1, Payload: []byte(`{"productId":"p","nameJa":"x","price":1,"offered":true,"allergens":[1]}`)}); err == nil {
		t.Error("an allergen that is a number")
	}
}
