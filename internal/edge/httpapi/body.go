package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"gakushoku/internal/event"
)

// maxBody bounds a request's body in bytes. The largest order has a few thousand.
const maxBody = 64 << 10

// takeBody reads and parses the body. It refuses a body that is too large, of another type, or not exactly
// one JSON value. If the body is not required it may be missing; given is then false.
func takeBody(w http.ResponseWriter, r *http.Request, required bool) (value any, given bool, err error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, false, &requestError{code: codeTooLarge, detail: fmt.Sprintf("the body may have at most %d bytes", maxBody)}
	case err != nil:
		return nil, false, unread(w, r, err)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		if required {
			return nil, false, invalid(violation{In: inBody, Detail: "required"})
		}
		return nil, false, nil
	}
	if err := checkMediaType(r.Header); err != nil {
		return nil, false, err
	}
	value, err = parse(raw)
	return value, true, err
}

// unread refuses a body that did not arrive completely. The cause is the client or its network, not the
// service.
func unread(w http.ResponseWriter, r *http.Request, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(r.Context().Err(), context.DeadlineExceeded) {
		w.Header().Set("Connection", "close")
		return &requestError{code: codeTimeout, detail: "the body did not arrive in time: send the request again"}
	}
	return &requestError{code: codeMalformed, detail: "the body is shorter than its Content-Length"}
}

func checkMediaType(h http.Header) error {
	if len(h.Values("Content-Type")) > 1 {
		return invalid(onlyOnce(inHeader, "Content-Type"))
	}
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, named := params["charset"]
	if err != nil || mediaType != "application/json" || (named && !strings.EqualFold(charset, "utf-8")) {
		return &requestError{code: codeMediaType, detail: "send the body as application/json, in UTF-8"}
	}
	if encoding := strings.Join(h.Values("Content-Encoding"), ", "); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &requestError{code: codeMediaType, detail: "send the body without Content-Encoding"}
	}
	return nil
}

// parse decodes exactly one JSON value with one meaning. Its error says where the value is wrong.
func parse(raw []byte) (any, error) {
	if err := event.CheckJSON(raw); err != nil {
		return nil, &requestError{code: codeMalformed, detail: "the body is not plain JSON: " + clip(err.Error())}
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("parsing a body that was checked before: %w", err)
	}
	return value, nil
}
