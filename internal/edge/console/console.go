// Package console is the pages that people look at: the menu and own orders for guests, the board for the
// kitchen. The server renders them, and they work without JavaScript; with it, one stream of server-sent events
// makes them live. A page is a client of the HTTP interface in the same process, with the caller's own
// credentials: scopes, limits, idempotency and audit are those of every other client.
package console

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// Config holds what the pages need.
type Config struct {
	API          http.Handler // the HTTP interface, with all parts
	Feed         Feed         // what was appended; makes pages live
	CardProvider bool         // guests pay by card here, not only at the till
	Logger       zerolog.Logger
	Now          func() time.Time // nil is time.Now
}

// Console serves the pages. Run makes them live.
type Console struct {
	config Config
	hub    *hub
	mux    *http.ServeMux
}

//go:embed pages static
var files embed.FS

var pages = parsePages("menu", "order", "kitchen", "signin", "problem")

// parsePages parses each page together with the layout.
func parsePages(names ...string) map[string]*template.Template {
	parsed := make(map[string]*template.Template, len(names))
	for _, name := range names {
		parsed[name] = template.Must(template.New("layout.html").Funcs(template.FuncMap{"yen": yen}).
			ParseFS(files, "pages/layout.html", "pages/"+name+".html"))
	}
	return parsed
}

// New returns the pages.
func New(c Config) *Console {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Console{config: c, hub: newHub(c.Feed, c.Logger), mux: http.NewServeMux()}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, http.StatusForbidden, "cross-site", "")
	}))
	route := func(pattern string, f func(http.ResponseWriter, *http.Request)) {
		s.mux.Handle(pattern, protection.Handler(http.HandlerFunc(f)))
	}
	route("GET /{$}", s.menu)
	route("POST /{$}", s.placeOrder)
	route("GET /my/{id}", s.order)
	route("POST /my/{id}/{action}", s.changeOrder)
	route("GET /kitchen", s.kitchen)
	route("POST /kitchen/{id}/{action}", s.moveOrder)
	route("GET /signin", s.signIn)
	route("POST /signin", s.signedIn)
	route("POST /signout", s.signOut)
	route("GET /live", s.live)
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	s.mux.Handle("GET /static/", http.StripPrefix("/static/", cached(http.FileServerFS(static))))
	return s
}

// Around returns a handler that serves the pages, and everything else by next.
func (s *Console) Around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := s.mux.Handler(r); pattern == "" {
			next.ServeHTTP(w, r)
			return
		}
		s.mux.ServeHTTP(secured(w), r)
	})
}

// Run reads the feed and tells pages what has changed, until ctx ends; then it ends every live page.
func (s *Console) Run(ctx context.Context) { s.hub.run(ctx) }

// secured sets the headers of every page: nothing but our own files, no frames.
func secured(w http.ResponseWriter) http.ResponseWriter {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	return w
}

// cached lets browsers keep files until the next version of the program, for at most an hour.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		next.ServeHTTP(w, r)
	})
}

// page is what every template gets.
type page struct {
	Words   words
	Path    string // of the page, for the switch of languages
	Topics  string // what the page follows live; "" for nothing
	At      uint64 // the number of the newest event when the page was rendered
	Key     string // a new Idempotency-Key for the forms of the page
	Problem string // what went wrong, in words
	Body    any
}

// render writes a page.
func (s *Console) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Words, p.Path, p.Key = wordsFor(w, r), r.URL.Path, observe.NewID()
	var out bytes.Buffer
	if err := pages[name].Execute(&out, p); err != nil {
		s.config.Logger.Error().Err(err).Str("page", name).Msg("console:page-failed")
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(out.Bytes()) //nolint:errcheck // the client is gone
}

// problem renders a page that only says what went wrong.
func (s *Console) problem(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	s.render(w, r, status, "problem", page{Problem: wordsFor(w, r).problem(code, detail)})
}

// today is the business day.
func (s *Console) today() string { return day.Of(event.InstantOf(s.config.Now())) }

// yen writes an amount with separators.
func yen(amount int64) string {
	digits := strconv.FormatInt(amount, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return fmt.Sprintf("¥%s", digits)
}
