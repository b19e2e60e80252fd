package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// keyCookie holds the device key that staff signed in with.
const keyCookie = "gakushoku-key"

// answer is a response of the HTTP interface.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header, Write and WriteHeader implement http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// read decodes a body. The interface is ours, so a body that cannot be decoded is a defect, shown as empty.
func (a *answer) read(v any) bool { return json.Unmarshal(a.body.Bytes(), v) == nil }

// problem returns the code and the detail of an error.
func (a *answer) problem() (code, detail string) {
	var p struct{ Code, Detail string }
	a.read(&p)
	return p.Code, p.Detail
}

// call sends a request to the HTTP interface with the credentials of the page's request, and with what the
// browser said about where it came from.
func (s *Console) call(r *http.Request, method, path string, body any, headers ...string) *answer {
	var data []byte
	if body != nil {
		data, _ = json.Marshal(body) // of our own types
	}
	target, err := url.Parse(path)
	a := &answer{header: http.Header{}}
	if err != nil {
		a.status = http.StatusNotFound
		return a
	}
	q := (&http.Request{
		Method: method, URL: target, Proto: r.Proto, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Host: r.Host, RemoteAddr: r.RemoteAddr,
		RequestURI: path, TLS: r.TLS, Body: http.NoBody,
	}).WithContext(r.Context())
	for _, name := range []string{"Cookie", "Authorization", "Sec-Fetch-Site", "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "Traceparent"} {
		if values := r.Header.Values(name); len(values) > 0 {
			q.Header[name] = slices.Clone(values)
		}
	}
	if key, err := r.Cookie(keyCookie); err == nil && key.Value != "" {
		q.Header.Set("X-Api-Key", key.Value)
	}
	if body != nil {
		q.Body, q.ContentLength = readCloser{bytes.NewReader(data)}, int64(len(data))
		q.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			q.Header.Set(headers[i], headers[i+1])
		}
	}
	s.config.API.ServeHTTP(a, q)
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// begin begins a guest's session if the caller has no credentials: it returns the request with the new cookie,
// which it also sets in the response. Where there are no sessions, the request is returned as it is.
func (s *Console) begin(w http.ResponseWriter, r *http.Request) *http.Request {
	a := s.call(r, http.MethodPost, "/session", nil)
	cookies := a.header.Values("Set-Cookie")
	if !a.ok() || len(cookies) == 0 {
		return r
	}
	with := r.Clone(r.Context())
	for _, cookie := range cookies {
		w.Header().Add("Set-Cookie", cookie)
		pair, _, _ := strings.Cut(cookie, ";")
		with.Header.Set("Cookie", pair)
	}
	return with
}
