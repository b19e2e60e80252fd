package menufile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/app/menufile"
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

func TestTheSampleMenuIsReadAndImportedOnce(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("..", "..", "..", "events", "menu.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := menufile.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	h := &command.Handler{Streams: memory.NewEvents(), Now: time.Now, NewID: observe.NewID}
	all := len(m.Categories) + len(m.Products)
	for _, changed := range []int{all, 0} {
		report, err := menufile.Import(t.Context(), h, m)
		if want := (menufile.Report{Categories: 5, Products: 14, Changed: changed}); err != nil || report != want {
			t.Errorf("%+v, %v; want %+v", report, err, want)
		}
	}
	p, _, err := command.Load(t.Context(), h, menu.ProductRules, "katsu-curry")
	want := menu.Product{ProductID: "katsu-curry", Details: menu.Details{
		NameJa: "カツカレー", NameEn: "Katsu curry", CategoryID: "rice", Price: 680, Allergens: []string{"wheat", "egg", "milk", "pork"}, Offered: true,
	}}
	if diff := cmp.Diff(want, p); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestCSVAndJSONSayTheSame(t *testing.T) {
	t.Parallel()
	fromCSV, err := menufile.Read(strings.NewReader("\ufeffnameJa,price,productId,categoryId,categoryJa,offered,allergens\n\"カレー, 大\",420,curry,rice,ご飯もの,FALSE,wheat milk\n水,10,water,,,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := menufile.Read(strings.NewReader(`{"categories":[{"categoryId":"rice","nameJa":"ご飯もの","position":10}],"products":[
		{"productId":"curry","nameJa":"カレー, 大","categoryId":"rice","price":420,"allergens":["wheat","milk"],"offered":false},{"productId":"water","nameJa":"水","price":10,"allergens":[],"offered":true}]}`))
	if diff := cmp.Diff(fromJSON, fromCSV); err != nil || diff != "" {
		t.Errorf("%v (-JSON +CSV):\n%s", err, diff)
	}
}

func TestAMistakeIsFoundWithItsPlace(t *testing.T) {
	t.Parallel()
	const head = "productId,nameJa,price,categoryId,categoryJa\n"
	for name, c := range map[string]struct{ file, want string }{
		"an unknown column":        {"productId,nameJa,price,colour\n", `column "colour" is unknown`},
		"a missing column":         {"productId,nameJa\n", "column price is missing"},
		"nothing":                  {"", "columns"},
		"a price in words":         {head + "curry,カレー,cheap,,\n", `line 2: price "cheap"`},
		"a price of nothing":       {head + "soup,汁,100,,\ncurry,カレー,0,,\n", "line 3: price must be"},
		"no name":                  {head + "curry,,420,,\n", "line 2: nameJa must not be empty"},
		"an id with a space":       {head + "a b,カレー,420,,\n", "line 2: productId contains"},
		"a category without name":  {head + "curry,カレー,420,rice,\n", "line 2: nameJa must not be empty"},
		"a product twice":          {head + "curry,カレー,420,,\ncurry,カレー,430,,\n", "product curry is there twice"},
		"a line too short":         {head + "curry,カレー\n", "line 2"},
		"an unknown member":        {`{"products":[],"prices":1}`, "prices"},
		"a product without a name": {`{"products":[{"productId":"curry","price":1,"offered":true}]}`, "product 1: nameJa"},
		"a text behind":            {`{"products":[]}{}`, "behind"},
	} {
		if _, err := menufile.Read(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.want)
		}
	}
}
