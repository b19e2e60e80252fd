package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// menuPage is the body of the page with today's menu.
type menuPage struct {
	Day        string           `json:"day"`
	Categories []category       `json:"categories"`
	Mine       []string         `json:"-"` // ids of the guest's latest orders, newest first
	Chosen     map[string]int64 `json:"-"`
}

type category struct {
	NameJa   string `json:"nameJa"`
	NameEn   string `json:"nameEn"`
	Products []product
}

type product struct {
	ProductID    string   `json:"productId"`
	NameJa       string   `json:"nameJa"`
	NameEn       string   `json:"nameEn"`
	Price        int64    `json:"price"`
	Allergens    []string `json:"allergens"`
	PortionsLeft *int64   `json:"portionsLeft"`
}

// SoldOut reports whether there is no portion left.
func (p product) SoldOut() bool { return p.PortionsLeft != nil && *p.PortionsLeft <= 0 }

// Few reports whether it will soon be sold out.
func (p product) Few() bool {
	return p.PortionsLeft != nil && *p.PortionsLeft > 0 && *p.PortionsLeft <= 5
}

// menu shows what can be ordered today.
func (s *Console) menu(w http.ResponseWriter, r *http.Request) {
	s.showMenu(w, r, http.StatusOK, "", nil)
}

func (s *Console) showMenu(w http.ResponseWriter, r *http.Request, status int, problem string, chosen map[string]int64) {
	at := s.hub.newest()
	a := s.call(r, http.MethodGet, "/menu", nil)
	if !a.ok() {
		code, detail := a.problem()
		s.problem(w, r, a.status, code, detail)
		return
	}
	body := menuPage{Mine: myOrders(r), Chosen: chosen}
	a.read(&body)
	s.render(w, r, status, "menu", page{Topics: topicMenu, At: at, Problem: problem, Body: body})
}

// maxLine bounds what the form may ask of one product; the rules may allow less.
const maxLine = 20

// line is a line of an order.
type line struct {
	ProductID string `json:"productId"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unitPrice,omitempty"`
}

// placeOrder places an order of the products that were chosen, each at the price that the page showed.
func (s *Console) placeOrder(w http.ResponseWriter, r *http.Request) {
	chosen, lines := map[string]int64{}, []line{}
	if !s.form(w, r) {
		return
	}
	for name, values := range r.PostForm {
		id, found := strings.CutPrefix(name, "q:")
		n, err := strconv.ParseInt(values[0], 10, 64)
		if !found || err != nil || n <= 0 || n > maxLine {
			continue
		}
		price, _ := strconv.ParseInt(r.PostForm.Get("p:"+id), 10, 64)
		chosen[id], lines = n, append(lines, line{id, n, price})
	}
	// A form that is sent twice must be one request under its key, so lines have an order of their own.
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.ProductID, b.ProductID) })
	text := wordsFor(w, r)
	if len(lines) == 0 {
		s.showMenu(w, r, http.StatusUnprocessableEntity, text.Of("nothing-chosen"), nil)
		return
	}
	key := r.PostForm.Get("key")
	order := map[string]any{"lines": lines}
	a := s.call(r, http.MethodPost, "/orders", order, "Idempotency-Key", key)
	if a.status == http.StatusUnauthorized {
		r = s.begin(w, r)
		a = s.call(r, http.MethodPost, "/orders", order, "Idempotency-Key", key)
	}
	if !a.ok() {
		code, detail := a.problem()
		s.showMenu(w, r, a.status, text.problem(code, detail), chosen)
		return
	}
	var placed struct {
		OrderID string `json:"orderId"`
		Version uint64 `json:"version"`
	}
	a.read(&placed)
	remember(w, r, placed.OrderID)
	http.Redirect(w, r, orderPath(placed.OrderID, placed.Version), http.StatusSeeOther)
}

// form parses the fields of a page, or says what is wrong with them.
func (s *Console) form(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, http.StatusBadRequest, "form", "")
		return false
	}
	return true
}

func orderPath(id string, version uint64) string {
	return "/my/" + url.PathEscape(id) + "?minVersion=" + strconv.FormatUint(version, 10)
}

// orderResource is the path of an order at the HTTP interface.
func orderResource(id string) string { return "/orders/" + url.PathEscape(id) }

// order is an order as the interface describes it.
type order struct {
	OrderID       string `json:"orderId"`
	Total         int64  `json:"total"`
	Status        string `json:"status"`
	Checkout      string `json:"checkout"`
	PaymentMethod string `json:"paymentMethod"`
	PlacedAt      string `json:"placedAt"`
	PaidAt        string `json:"paidAt"`
	PreparingAt   string `json:"preparingAt"`
	ReadyAt       string `json:"readyAt"`
	PayBy         string `json:"payBy"`
	Reason        string `json:"reason"`
	Version       uint64 `json:"version"`
	Lines         []struct {
		ProductID string `json:"productId"`
		Product   string `json:"product"`
		Quantity  int64  `json:"quantity"`
		UnitPrice int64  `json:"unitPrice"`
	} `json:"lines"`
}

// Unpaid reports whether the order waits to be paid.
func (o order) Unpaid() bool { return o.Status == "ORDERED" && o.Checkout != "PAYING" }

// MayCancel reports whether the order can still be called off.
func (o order) MayCancel() bool { return o.Status == "ORDERED" || o.Status == "PAID" }

// Short is the end of the order's id, to be called out.
func (o order) Short() string {
	if runes := []rune(o.OrderID); len(runes) > 5 {
		return string(runes[len(runes)-4:])
	}
	return o.OrderID
}

// orderPage is the body of the page of one order.
type orderPage struct {
	Order        order
	CardProvider bool
}

// order shows one order of the guest.
func (s *Console) order(w http.ResponseWriter, r *http.Request) { s.showOrder(w, r, http.StatusOK, "") }

func (s *Console) showOrder(w http.ResponseWriter, r *http.Request, status int, problem string) {
	id, at := r.PathValue("id"), s.hub.newest()
	a := s.call(r, http.MethodGet, orderResource(id), nil, "If-Min-Version", minVersion(r))
	if !a.ok() {
		code, detail := a.problem()
		s.problem(w, r, a.status, code, detail)
		return
	}
	body := orderPage{CardProvider: s.config.CardProvider}
	a.read(&body.Order)
	s.render(w, r, status, "order", page{Topics: topicOf(id), At: at, Problem: problem, Body: body})
}

// minVersion returns the version that the page must show at least; "" if the request has none that counts.
func minVersion(r *http.Request) string {
	v := r.URL.Query().Get("minVersion")
	if _, err := strconv.ParseUint(v, 10, 63); err != nil {
		return ""
	}
	return v
}

// changeOrder pays for an order, or calls it off.
func (s *Console) changeOrder(w http.ResponseWriter, r *http.Request) {
	if !s.form(w, r) {
		return
	}
	var body any
	switch r.PathValue("action") {
	case "pay":
		body = map[string]any{"paymentMethod": "CARD"}
	case "cancel":
		body = map[string]any{}
	default:
		s.problem(w, r, http.StatusNotFound, "order/not-found", "")
		return
	}
	id := r.PathValue("id")
	a := s.call(r, http.MethodPost, orderResource(id)+"/"+r.PathValue("action"), body, "Idempotency-Key", r.PostForm.Get("key"))
	if !a.ok() {
		code, detail := a.problem()
		s.showOrder(w, r, a.status, wordsFor(w, r).problem(code, detail))
		return
	}
	var changed struct {
		Version uint64 `json:"version"`
	}
	a.read(&changed)
	http.Redirect(w, r, orderPath(id, changed.Version), http.StatusSeeOther)
}
