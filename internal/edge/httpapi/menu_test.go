package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/stock"
)

const curry = `{"nameJa":"カレーライス","nameEn":"Curry and rice","categoryId":"rice","price":420,"allergens":["wheat","milk"],"offered":true}`

func TestAProductIsPutShownAndRemoved(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	if a := c.send("PUT /products/curry", curry).want(t, 201, ""); a.Header.Get("Location") != "/products/curry" || a.field("price") != 420.0 || a.field("version") != 1.0 {
		t.Errorf("put: %v %s", a.Header, a.body)
	}
	if a := c.send("PUT /products/curry", curry).want(t, 200, ""); len(a.field("eventIds").([]any)) != 0 || a.field("version") != 1.0 {
		t.Errorf("put again: %s", a.body)
	}
	c.send("PUT /products/curry", strings.Replace(curry, "420", "450", 1), "Idempotency-Key: k1").want(t, 200, "")
	if a := c.send("GET /products/curry", "", "If-Min-Version: 2").want(t, 200, ""); a.field("price") != 450.0 || a.field("nameEn") != "Curry and rice" {
		t.Errorf("shown: %s", a.body)
	}
	c.send("DELETE /products/curry", "").want(t, 200, "")
	c.project()
	if a := c.send("GET /products/curry", "").want(t, 200, ""); a.field("removed") != true {
		t.Errorf("removed: %s", a.body)
	}
	c.send("GET /products/soup", "").want(t, 404, menu.CodeProductNotFound)
	c.send("DELETE /products/soup", "").want(t, 404, menu.CodeProductNotFound)
	c.send("PUT /products/a%20b", curry).want(t, 400, codeInvalid)
	c.send("PUT /products/curry", strings.Replace(curry, "420", "0", 1)).want(t, 422, menu.CodeInvalidProduct)
	c.send("PUT /products/curry", `{"nameJa":"カレー","price":420,"offered":"yes"}`).want(t, 400, codeInvalid)
}

func TestACategoryIsPutShownAndRemoved(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("PUT /categories/rice", `{"nameJa":"ご飯もの","position":1}`).want(t, 201, "")
	if a := c.send("PUT /categories/rice", `{"nameJa":"ご飯もの","nameEn":"Rice","position":2}`).want(t, 200, ""); a.field("position") != 2.0 {
		t.Errorf("moved: %s", a.body)
	}
	if a := c.send("GET /categories/rice", "", "If-Min-Version: 2").want(t, 200, ""); a.field("nameEn") != "Rice" {
		t.Errorf("shown: %s", a.body)
	}
	c.send("DELETE /categories/rice", "").want(t, 200, "")
	c.send("GET /categories/none", "").want(t, 404, menu.CodeCategoryNotFound)
	c.send("PUT /categories/rice", `{"nameJa":"ご飯もの","position":-1}`).want(t, 422, menu.CodeInvalidCategory)
}

func TestStockIsSetAndShown(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	if a := c.send("PUT /stock/2026-01-24/curry", `{"portions":40}`).want(t, 201, ""); a.Header.Get("Location") != "/stock/2026-01-24/curry" || a.field("portions") != 40.0 {
		t.Errorf("set: %v %s", a.Header, a.body)
	}
	c.send("PUT /stock/2026-01-24/curry", `{"portions":30}`).want(t, 200, "")
	if a := c.send("GET /stock/2026-01-24/curry", "", "If-Min-Version: 2").want(t, 200, ""); a.field("portions") != 30.0 || a.field("productId") != "curry" || a.field("limited") != true {
		t.Errorf("shown: %s", a.body)
	}
	c.send("GET /stock/2026-01-24/soup", "").want(t, 404, stock.CodeNotFound)
	c.send("PUT /stock/2026-02-31/curry", `{"portions":1}`).want(t, 422, stock.CodeInvalid)
	c.send("PUT /stock/2026-01-24/curry", `{"portions":-1}`).want(t, 422, stock.CodeInvalid)
	c.send("PUT /stock/today/curry", `{"portions":1}`).want(t, 400, codeInvalid)
}

func TestTheMenuShowsWhatIsOfferedWithWhatIsLeft(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	if a := c.send("GET /menu", "").want(t, 200, ""); a.body != `{"day":"2026-01-24","categories":[]}`+"\n" {
		t.Errorf("an empty menu: %s", a.body)
	}
	c.send("PUT /categories/rice", `{"nameJa":"ご飯もの","position":2}`).want(t, 201, "")
	c.send("PUT /categories/noodles", `{"nameJa":"麺","position":1}`).want(t, 201, "")
	c.send("PUT /categories/gone", `{"nameJa":"昔","position":0}`).want(t, 201, "")
	c.send("DELETE /categories/gone", "").want(t, 200, "")
	for id, category := range map[string]string{"curry": "rice", "bowl": "rice", "ramen": "noodles", "water": "", "old": "gone"} {
		c.send("PUT /products/"+id, fmt.Sprintf(`{"nameJa":%q,"categoryId":%q,"price":400,"offered":true}`, id, category)).want(t, 201, "")
	}
	c.send("PUT /products/hidden", `{"nameJa":"x","categoryId":"rice","price":400,"offered":false}`).want(t, 201, "")
	c.send("DELETE /products/bowl", "").want(t, 200, "")
	c.send("PUT /stock/2026-01-24/curry", `{"portions":40}`).want(t, 201, "")
	c.send("PUT /stock/2026-01-25/ramen", `{"portions":7}`).want(t, 201, "")
	c.project()
	for day, want := range map[string]string{
		"":                "noodles[ramen] rice[curry:40] [old water]",
		"?day=2026-01-25": "noodles[ramen:7] rice[curry] [old water]",
	} {
		if got := c.send("GET /menu"+day, "").want(t, 200, ""); outline(t, got.body) != want {
			t.Errorf("%s: %s, want %s", day, outline(t, got.body), want)
		}
	}
	c.send("GET /menu?day=2026-02-31", "").want(t, 400, "query/invalid-day")
}

// outline is a menu as "category[product:left ...] ...".
func outline(t *testing.T, body string) string {
	var m struct {
		Categories []struct {
			CategoryID string
			Products   []struct {
				ProductID    string
				PortionsLeft *int64
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range m.Categories {
		var products []string
		for _, p := range c.Products {
			if p.PortionsLeft != nil {
				p.ProductID += fmt.Sprint(":", *p.PortionsLeft)
			}
			products = append(products, p.ProductID)
		}
		all = append(all, c.CategoryID+"["+strings.Join(products, " ")+"]")
	}
	return strings.Join(all, " ")
}
