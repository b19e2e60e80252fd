package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
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
	case err != nil && r.Context().Err() != nil:
		return r.Context().Err()
	case err != nil:
		return &requestError{code: codeMalformed, detail: "the body ended before its length"}
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

func checkMediaType(h http.Header) error {
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, named := params["charset"]
	if err != nil || mediaType != "application/json" || (named && !strings.EqualFold(charset, "utf-8")) {
		return &requestError{code: codeMediaType, detail: "send the body as application/json, in UTF-8"}
	}
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &requestError{code: codeMediaType, detail: "send the body without Content-Encoding"}
	}
	return nil
}

// checkJSON refuses what is not exactly one JSON value, and says where it goes wrong.
func checkJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return &requestError{code: codeMalformed, detail: "the body is not UTF-8"}
	}
	var syntax *json.SyntaxError
	err := json.Unmarshal(raw, new(json.RawMessage))
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax) && strings.Contains(err.Error(), "after top-level value"):
		return &requestError{code: codeMalformed, detail: fmt.Sprintf("the body holds more than one JSON value, from byte %d on", syntax.Offset)}
	case errors.As(err, &syntax):
		return &requestError{code: codeMalformed, detail: fmt.Sprintf("the body is not JSON: byte %d: %s", syntax.Offset, syntax)}
	}
	return &requestError{code: codeMalformed, detail: "the body is not JSON"}
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
		return invalid(violation{In: "body", Name: "/" + strings.ReplaceAll(wrongType.Field, ".", "/"),
			Detail: fmt.Sprintf("byte %d: %s cannot be taken: write a whole number in digits", wrongType.Offset, clip(wrongType.Value))})
	}
	if err != nil {
		return fmt.Errorf("decoding a body that was checked before: %w", err)
	}
	return nil
}
