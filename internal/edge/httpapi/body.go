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
// one JSON value. If the body is not required it may be missing; its length is then 0. The body can be read
// again afterwards.
func takeBody(w http.ResponseWriter, r *http.Request, required bool) (any, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &requestError{code: codeTooLarge, detail: fmt.Sprintf("the body may have at most %d bytes", maxBody)}
	case err != nil:
		return nil, unread(w, r, err)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		if required {
			return nil, invalid(violation{In: inBody, Detail: "required"})
		}
		r.Body, r.ContentLength = http.NoBody, 0
		return nil, nil
	}
	if err := checkMediaType(r.Header); err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return parse(raw)
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

// decodeBody decodes a checked body into a command. A missing body leaves the command unchanged.
func decodeBody(r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return fmt.Errorf("decoding a body that was checked before: %w", err)
	}
	return nil
}
