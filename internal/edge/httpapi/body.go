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

// maxBody bounds a request's body, in bytes. The largest order has a few thousand.
const maxBody = 64 << 10

// takeBody reads the body and refuses one that is too large, of another type, or not exactly
// one JSON value. The body can be read again afterwards. One that is not required may be
// missing.
func takeBody(w http.ResponseWriter, r *http.Request, required bool) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &requestError{code: codeTooLarge, detail: fmt.Sprintf("the body may have at most %d bytes", maxBody)}
	case err != nil:
		return unread(w, r, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	r.ContentLength = int64(len(raw))
	if len(bytes.TrimSpace(raw)) == 0 {
		if required {
			return invalid(violation{In: "body", Detail: "it is missing"})
		}
		r.Body, r.ContentLength = http.NoBody, 0
		return nil
	}
	if err := checkMediaType(r.Header); err != nil {
		return err
	}
	return checkJSON(raw)
}

// unread says why a body did not come whole. That is the client's doing, or its network's, whatever
// became of the connection: the service has not failed.
func unread(w http.ResponseWriter, r *http.Request, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(r.Context().Err(), context.DeadlineExceeded) {
		w.Header().Set("Connection", "close")
		return &requestError{code: codeTimeout, detail: "the body did not come in time: send the request again, faster"}
	}
	return &requestError{code: codeMalformed, detail: "the body ended before its length"}
}

func checkMediaType(h http.Header) error {
	if len(h.Values("Content-Type")) > 1 {
		return invalid(onlyOnce("header", "Content-Type"))
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

// checkJSON refuses what is not exactly one JSON value with one meaning, and says where it goes
// wrong.
func checkJSON(raw []byte) error {
	if err := event.CheckJSON(raw); err != nil {
		return &requestError{code: codeMalformed, detail: "the body is not plain JSON: " + clip(err.Error())}
	}
	return nil
}

// decodeBody reads a checked body into a command; an absent one leaves it as it is. What the
// contract allows and Go does not, such as 780.0 for a whole number, is refused here.
func decodeBody(r *http.Request, into any) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("reading a body that was read before: %w", err)
	}
	if len(raw) == 0 {
		return nil
	}
	err = json.Unmarshal(raw, into)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return invalid(violation{In: "body", Name: pointerTo(raw, wrongType.Offset),
			Detail: fmt.Sprintf("byte %d: %s cannot be taken: write a whole number in digits", wrongType.Offset, clip(wrongType.Value))})
	}
	if err != nil {
		return fmt.Errorf("decoding a body that was checked before: %w", err)
	}
	return nil
}
