package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"gakushoku/internal/event"
)

// column is a column of the board.
type column struct {
	Name   string // of the words
	Action string // what moves an order on: a path of the interface
	Orders []card
}

// card is an order on the board.
type card struct {
	order
	Minutes int    // since it came into the column
	Age     string // fresh, waiting or late
}

// dish is how much of a product is to be made.
type dish struct {
	Name  string
	Count int64
}

type board struct {
	Columns []column
	Dishes  []dish
	More    bool // there are more orders than the board shows
}

const (
	boardLimit = 100 // from as many orders on, no more are looked for; also those of a page of the interface
	boardPages = 20  // that are read for a column at most
)

// kitchen shows the board.
func (s *Console) kitchen(w http.ResponseWriter, r *http.Request) {
	s.showBoard(w, r, http.StatusOK, "")
}

func (s *Console) showBoard(w http.ResponseWriter, r *http.Request, status int, problem string) {
	at := s.hub.newest()
	b := board{Columns: []column{{Name: "ORDERED", Action: "pay"}, {Name: "PAID", Action: "prepare"}, {Name: "PREPARING", Action: "ready"}, {Name: "READY", Action: "pickup"}}}
	toMake := map[string]int64{}
	for i := range b.Columns {
		c := &b.Columns[i]
		orders, more, a := s.waiting(r, c.Name)
		if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
			http.Redirect(w, r, "/signin", http.StatusSeeOther)
			return
		}
		if !a.ok() {
			code, detail := a.problem()
			s.problem(w, r, a.status, code, detail)
			return
		}
		b.More = b.More || more
		for k := len(orders) - 1; k >= 0; k-- { // the oldest is due first
			c.Orders = append(c.Orders, s.card(orders[k], c.Name))
		}
		if c.Name == "PAID" || c.Name == "PREPARING" {
			addDishes(toMake, orders)
		}
	}
	b.Dishes = sortedDishes(toMake)
	s.render(w, r, status, "kitchen", page{Topics: topicOrders, At: at, Problem: problem, Body: b})
}

// waiting returns today's orders with a status, newest first, and whether there are more than the board shows. A
// page of the interface may be short although more follow, and the orders that wait longest come last, so it reads
// on. It also returns the last answer, which has failed if the orders are not to be had.
func (s *Console) waiting(r *http.Request, status string) (orders []order, more bool, a *answer) {
	cursor := ""
	for range boardPages {
		query := url.Values{"limit": {strconv.Itoa(boardLimit)}, "status": {status}, "day": {s.today()}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		a = s.call(r, http.MethodGet, "/orders?"+query.Encode(), nil)
		var found struct {
			Orders []order `json:"orders"`
			Next   string  `json:"next"`
		}
		if a.ok() && !a.read(&found) {
			a.status = http.StatusInternalServerError
		}
		if !a.ok() {
			return nil, false, a
		}
		orders, cursor = append(orders, found.Orders...), found.Next
		if cursor == "" || len(orders) >= boardLimit {
			break
		}
	}
	return orders, cursor != "", a
}

// card says how long an order has been in its column.
func (s *Console) card(o order, status string) card {
	since := map[string]string{"ORDERED": o.PlacedAt, "PAID": o.PaidAt, "PREPARING": o.PreparingAt, "READY": o.ReadyAt}[status]
	c := card{order: o, Age: "fresh"}
	if from, err := event.ParseInstant(since); err == nil {
		c.Minutes = max(0, int(s.config.Now().Sub(from.Time())/time.Minute))
	}
	switch {
	case c.Minutes >= 10:
		c.Age = "late"
	case c.Minutes >= 5:
		c.Age = "waiting"
	}
	return c
}

func addDishes(toMake map[string]int64, orders []order) {
	for _, o := range orders {
		for _, l := range o.Lines {
			toMake[l.Product] += l.Quantity
		}
	}
}

func sortedDishes(toMake map[string]int64) []dish {
	dishes := make([]dish, 0, len(toMake))
	for name, count := range toMake {
		dishes = append(dishes, dish{name, count})
	}
	slices.SortFunc(dishes, func(a, b dish) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return dishes
}

// moveOrder moves an order on, as a button of the board says.
func (s *Console) moveOrder(w http.ResponseWriter, r *http.Request) {
	if !s.form(w, r) {
		return
	}
	var body any = map[string]any{}
	switch r.PathValue("action") {
	case "pay":
		body = map[string]any{"paymentMethod": "CASH"}
	case "prepare", "ready", "pickup":
	default:
		s.problem(w, r, http.StatusNotFound, "order/not-found", "")
		return
	}
	a := s.call(r, http.MethodPost, orderResource(r.PathValue("id"))+"/"+r.PathValue("action"), body, "Idempotency-Key", r.PostForm.Get("key"))
	if !a.ok() {
		code, detail := a.problem()
		s.showBoard(w, r, a.status, wordsFor(w, r).problem(code, detail))
		return
	}
	http.Redirect(w, r, "/kitchen", http.StatusSeeOther)
}

// signIn shows the form for a device key.
func (s *Console) signIn(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "signin", page{})
}

// signedIn keeps a device key in a cookie, if the board can be seen with it.
func (s *Console) signedIn(w http.ResponseWriter, r *http.Request) {
	if !s.form(w, r) {
		return
	}
	with := r.Clone(r.Context())
	with.Header.Del("Cookie")
	a := s.call(with, http.MethodGet, "/orders?limit=1", nil, "X-Api-Key", r.PostForm.Get("device-key"))
	if !a.ok() {
		code, detail := a.problem()
		s.render(w, r, a.status, "signin", page{Problem: wordsFor(w, r).problem(code, detail)})
		return
	}
	http.SetCookie(w, staffCookie(r, r.PostForm.Get("device-key"), 12*time.Hour))
	http.Redirect(w, r, "/kitchen", http.StatusSeeOther)
}

func (s *Console) signOut(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, staffCookie(r, "", -time.Second))
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}

// staffCookie returns the cookie with a device key, out of reach of scripts and of other sites.
func staffCookie(r *http.Request, key string, lasts time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: keyCookie, Value: key, Path: "/", MaxAge: int(lasts / time.Second), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}
