package embedded_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/app/callers"
	"gakushoku/internal/app/embedded"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
)

// browser is a client with cookies that follows redirects.
type browser struct {
	t      *testing.T
	base   string
	client *http.Client
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, base, &http.Client{Jar: jar}}
}

// do sends a request and returns the final page.
func (b *browser) do(method, path string, body io.Reader, headers ...string) (status int, page, at string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", "en")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Request.URL.Path
}

// sees fetches a page, which must have all texts.
func (b *browser) sees(path string, texts ...string) string {
	b.t.Helper()
	status, page, _ := b.do(http.MethodGet, path, nil)
	b.has(status, page, http.StatusOK, texts...)
	return page
}

// sends sends a form, and returns the path of the page that comes of it.
func (b *browser) sends(path, form string, want int, texts ...string) string {
	b.t.Helper()
	status, page, at := b.do(http.MethodPost, path, strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded")
	b.has(status, page, want, texts...)
	return at
}

func (b *browser) has(status int, page string, want int, texts ...string) {
	b.t.Helper()
	if status != want {
		b.t.Fatalf("status %d, want %d: %s", status, want, page)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.t.Errorf("%q is not in\n%s", text, page)
		}
	}
}

// canteenWithPages is a server with a menu, whose callers need credentials.
func canteenWithPages(t *testing.T) (url string) {
	t.Helper()
	keys := map[string]observe.Caller{}
	for _, role := range []string{"kitchen", "cashier", "operator"} {
		keys[credential.Digest(role+"-key")] = identity.CallerWith(role, role)
	}
	s := serve(t, embedded.ServeOptions{Dir: filepath.Join(t.TempDir(), "data"), Callers: callers.Options{Keys: keys}})
	t.Cleanup(func() {
		s.stop()
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
	})
	operator := newBrowser(t, s.url)
	for _, put := range [][2]string{
		{"/products/curry", `{"nameJa":"カレー","nameEn":"Curry & rice","price":420,"offered":true,"allergens":["wheat"]}`},
		{"/products/tea", `{"nameJa":"緑茶","price":120,"offered":true}`},
		{"/stock/" + today() + "/curry", `{"portions":2}`},
	} {
		status, text, _ := operator.do(http.MethodPut, put[0], strings.NewReader(put[1]), "Content-Type", "application/json", "x-api-key", "operator-key")
		if status != http.StatusOK && status != http.StatusCreated {
			t.Fatalf("%s: %d %s", put[0], status, text)
		}
	}
	return s.url
}

func today() string { return time.Now().UTC().Add(9 * time.Hour).Format("2006-01-02") }

// until fetches a page until it has a text: read models follow within moments.
func (b *browser) until(path, text string) string {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, page, _ := b.do(http.MethodGet, path, nil); strings.Contains(page, text) {
			return page
		}
	}
	b.t.Fatalf("%q does not come on %s", text, path)
	return ""
}

func TestAGuestOrdersAndTheKitchenMakesIt(t *testing.T) {
	t.Parallel()
	url := canteenWithPages(t)
	guest, kitchen, till := newBrowser(t, url), newBrowser(t, url), newBrowser(t, url)
	guest.until("/", "Curry &amp; rice")
	guest.until("/", "left 2")
	guest.sends("/", "key=k1", http.StatusUnprocessableEntity, "Choose at least one dish")
	guest.sends("/", "key=k1&q:curry=1&p:curry=400", http.StatusConflict, "A price has changed", `value="1"`)
	mine := guest.sends("/", "key=k1&q:curry=2&p:curry=420&q:tea=1&p:tea=120", http.StatusOK, "Waiting to be paid", "¥960", "Pay at the till")
	if again := guest.sends("/", "key=k1&q:curry=2&p:curry=420&q:tea=1&p:tea=120", http.StatusOK, "Waiting to be paid"); again != mine {
		t.Errorf("the same form sent twice leads to %s and %s", mine, again)
	}
	guest.until("/", "Sold out")
	guest.sees("/", mine)

	if _, _, at := kitchen.do(http.MethodGet, "/kitchen", nil); at != "/signin" {
		t.Errorf("the kitchen without a key is led to %s", at)
	}
	kitchen.sends("/signin", "device-key=wrong", http.StatusUnauthorized, "The device key is wrong")
	kitchen.sends("/signin", "device-key=kitchen-key", http.StatusOK, "To make")
	till.sends("/signin", "device-key=cashier-key", http.StatusOK)
	id := strings.TrimPrefix(mine, "/my/")
	till.until("/kitchen", "/kitchen/"+id+"/pay")
	kitchen.sends("/kitchen/"+id+"/pay", "key=p0", http.StatusForbidden, "You are not allowed to do that")
	till.sends("/kitchen/"+id+"/pay", "key=p1", http.StatusOK)
	kitchen.until("/kitchen", "<strong>2</strong> カレー")
	for _, step := range []string{"prepare", "ready"} {
		kitchen.until("/kitchen", "/kitchen/"+id+"/"+step)
		kitchen.sends("/kitchen/"+id+"/"+step, "key="+step, http.StatusOK)
	}
	guest.until(mine, "READY")
	guest.sends(mine+"/cancel", "key=c", http.StatusConflict, "it cannot be cancelled any more")
	kitchen.sends("/kitchen/"+id+"/ready", "key=other", http.StatusConflict, "It is ready already")

	stranger := newBrowser(t, url)
	stranger.sends("/", "key=s1&q:tea=1&p:tea=120", http.StatusOK)
	if status, page, _ := stranger.do(http.MethodGet, mine, nil); status != http.StatusNotFound || !strings.Contains(page, "There is no such order") {
		t.Errorf("a stranger sees %d %s", status, page)
	}
}

func TestAnotherSiteCannotSendForms(t *testing.T) {
	t.Parallel()
	guest := newBrowser(t, canteenWithPages(t))
	status, page, _ := guest.do(http.MethodPost, "/", strings.NewReader("q:tea=1"), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site")
	guest.has(status, page, http.StatusForbidden, "Another site may not do that")
}

func TestPagesSpeakTwoLanguages(t *testing.T) {
	t.Parallel()
	guest := newBrowser(t, canteenWithPages(t))
	guest.until("/", "Curry &amp; rice")
	guest.sees("/?lang=ja", `lang="ja"`, "カレー", "注文する")
	guest.sees("/", "注文する") // it was chosen
}

// events reads the stream of a live page until the test ends.
func (b *browser) events(path string, headers ...string) <-chan string {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.client.Do(r)
	if err != nil || response.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %v %v", path, response, err)
	}
	lines, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			if scanner.Text() != "" {
				lines <- scanner.Text()
			}
		}
	}()
	b.t.Cleanup(func() {
		cancel()
		response.Body.Close() //nolint:errcheck // read only
		<-done
	})
	return lines
}

func TestLivePagesAreToldOfChangesAndOfWhatTheyMissed(t *testing.T) {
	t.Parallel()
	url := canteenWithPages(t)
	guest, stranger := newBrowser(t, url), newBrowser(t, url)
	guest.until("/", "Curry &amp; rice")
	mine := guest.sends("/", "key=k1&q:tea=1&p:tea=120", http.StatusOK)
	page := guest.until(mine, "data-topic")
	at := regexp.MustCompile(`data-at="([0-9]+)"`).FindStringSubmatch(page)
	topic := "/live?topic=order:" + strings.TrimPrefix(mine, "/my/")
	if len(at) != 2 {
		t.Fatal(page)
	}
	live := guest.events(topic + "&at=" + at[1])
	guest.sends(mine+"/cancel", "key=c", http.StatusOK, "Cancelled")
	seen := map[string]bool{}
	for line := range live {
		seen[strings.SplitN(line, ":", 2)[0]] = true
		if strings.HasPrefix(line, "data:") {
			break
		}
	}
	if !seen["id"] || !seen["event"] {
		t.Errorf("the stream has %v", seen)
	}
	// A page that comes back, and one of another store, are told at once.
	for _, last := range []string{at[1], "0", "999999"} {
		for line := range guest.events(topic, "Last-Event-ID", last) {
			if line == "event: change" {
				break
			}
		}
	}
	for path, want := range map[string]int{topic + "&at=0": http.StatusNotFound, "/live?topic=orders&at=0": http.StatusNotFound, "/live?topic=x&at=0": http.StatusNotFound, "/live?topic=menu&at=x": http.StatusBadRequest} {
		if status, _, _ := stranger.do(http.MethodGet, path, nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestPagesHaveNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	base := canteenWithPages(t)
	guest := newBrowser(t, base)
	for _, path := range []string{"/", "/signin", "/my/none", "/static/style.css", "/static/live.js", "/static/icon.svg"} {
		_, page, _ := guest.do(http.MethodGet, path, nil)
		for _, link := range regexp.MustCompile(`(?:src|href|action)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
			if u, err := url.Parse(link[1]); err != nil || u.Host != "" || !strings.HasPrefix(link[1], "/") {
				t.Errorf("%s leads to %s", path, link[1])
			}
		}
		if strings.Contains(page, "<style") || strings.Contains(page, "style=") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
			t.Errorf("%s has inline style or script", path)
		}
	}
}
