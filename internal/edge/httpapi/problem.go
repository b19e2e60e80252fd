package httpapi

import (
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/engine/replica"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// problem is the body of every error response (RFC 9457).
type problem struct {
	Type          string      `json:"type"`
	Title         string      `json:"title"`
	Status        int         `json:"status"`
	Detail        string      `json:"detail"`
	Instance      string      `json:"instance"`
	Code          string      `json:"code"`
	CorrelationID string      `json:"correlationId"`
	Errors        []violation `json:"errors,omitempty"`
}

// violation is one place where a request does not match the contract.
type violation struct {
	In     string `json:"in"` // body, query, path or header
	Name   string `json:"name,omitempty"`
	Detail string `json:"detail"`
}

// requestError is the refusal of a request before it reaches a handler.
type requestError struct {
	code       string
	detail     string
	violations []violation
}

func (e *requestError) Error() string { return e.detail }

// DomainCode makes it a refusal like those of the domain.
func (e *requestError) DomainCode() string { return e.code }

// invalid returns the refusal of a request for these violations of the contract.
func invalid(violations ...violation) error {
	lines := make([]string, len(violations))
	for i, v := range violations {
		lines[i] = strings.TrimSpace(v.In+" "+v.Name) + ": " + v.Detail
	}
	return &requestError{code: codeInvalid, detail: strings.Join(lines, "; "), violations: violations}
}

// The codes of this package are part of the HTTP interface: never change one.
const (
	codeMalformed   = "request/malformed"
	codeInvalid     = "request/invalid"
	codeTooLarge    = "request/too-large"
	codeMediaType   = "request/unsupported-media-type"
	codeTimeout     = "request/timeout"
	codeNoRoute     = "request/no-such-path"
	codeMethod      = "request/method-not-allowed"
	codeHeaders     = "request/headers-too-large"
	codeEncoding    = "request/unsupported-transfer-encoding"
	codeProtocol    = "request/unsupported-http-version"
	codeExpectation = "request/unsupported-expectation"
	codeUnavailable = "service/unavailable"
	codeInternal    = "service/internal-error"
)

// kind is what all problems with one code have in common.
type kind struct {
	status int
	title  string
}

// kinds maps codes to HTTP statuses and titles. Those of the canteen's refusals are beside its routes.
var kinds = joined(engineKinds, orderKinds, menuKinds, stockKinds)

func joined(all ...map[string]kind) map[string]kind {
	whole := map[string]kind{}
	for _, some := range all {
		maps.Copy(whole, some)
	}
	return whole
}

// engineKinds are the problems that no aggregate has of its own.
var engineKinds = map[string]kind{
	codeMalformed:   {http.StatusBadRequest, "Malformed request"},
	codeInvalid:     {http.StatusBadRequest, "Invalid request"},
	codeTooLarge:    {http.StatusRequestEntityTooLarge, "Request too large"},
	codeMediaType:   {http.StatusUnsupportedMediaType, "Unsupported media type"},
	codeTimeout:     {http.StatusRequestTimeout, "Request timed out"},
	codeNoRoute:     {http.StatusNotFound, "Not found"},
	codeMethod:      {http.StatusMethodNotAllowed, "Method not allowed"},
	codeHeaders:     {http.StatusRequestHeaderFieldsTooLarge, "Request headers too large"},
	codeEncoding:    {http.StatusNotImplemented, "Unsupported transfer encoding"},
	codeProtocol:    {http.StatusHTTPVersionNotSupported, "Unsupported HTTP version"},
	codeExpectation: {http.StatusExpectationFailed, "Unsupported expectation"},
	codeUnavailable: {http.StatusServiceUnavailable, "Service unavailable"},
	codeNotPrimary:  {http.StatusServiceUnavailable, "Not the primary"},
	codeInternal:    {http.StatusInternalServerError, "Internal error"},

	identity.CodeNoCredentials: {http.StatusUnauthorized, "Who are you?"},
	identity.CodeInvalid:       {http.StatusUnauthorized, "Credentials not accepted"},
	identity.CodeWrongKey:      {http.StatusUnauthorized, "Unknown API key"},
	identity.CodeMissingScope:  {http.StatusForbidden, "Not allowed"},
	identity.CodeThrottled:     {http.StatusTooManyRequests, "Too many requests"},

	query.CodeInvalidCursor: {http.StatusBadRequest, "Invalid cursor"},
	query.CodeInvalidBucket: {http.StatusBadRequest, "Invalid day"},
	query.CodeInvalidValue:  {http.StatusBadRequest, "Invalid status"},

	command.CodeKeyReused:  {http.StatusUnprocessableEntity, "The Idempotency-Key was used for another request"},
	command.CodeUnfoldable: {http.StatusConflict, "The recorded events contradict each other"},
}

// unknownKind is for a refusal that kinds does not list. A test keeps the list complete.
var unknownKind = kind{http.StatusUnprocessableEntity, "Not allowed"}

// What clients learn about internal errors. The log has the details.
const (
	unavailableDetail = "the service depends on something that is down or busy: retry the same request, commands with their Idempotency-Key"
	internalDetail    = "the request hit a defect: report it with the correlation id"
)

// problemOf returns what clients may know about an error, and how long to wait before a retry.
func problemOf(err error) (problem, time.Duration) {
	var refusal fault.DomainError
	var elsewhere *replica.NotPrimary
	switch {
	case errors.As(err, &elsewhere):
		return problem{Code: codeNotPrimary, Detail: elsewhere.Error()}, time.Second
	case errors.As(err, &refusal):
		p := problem{Code: refusal.DomainCode(), Detail: refusal.Error()}
		var request *requestError
		if errors.As(err, &request) {
			p.Errors = request.violations
		}
		return p, 0
	case errors.Is(err, eventstore.ErrTooLarge):
		return problem{Code: codeTooLarge, Detail: "what the command records is too large to be stored"}, 0
	case fault.ClassOf(err) == fault.Infra:
		return problem{Code: codeUnavailable, Detail: unavailableDetail}, max(fault.RetryAfter(err), time.Second)
	}
	return problem{Code: codeInternal, Detail: internalDetail}, 0
}

// writeError responds with an error as a problem, and records it for the request's log line.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	p, retryAfter := problemOf(err)
	k, ok := kinds[p.Code]
	if !ok {
		k = unknownKind
	}
	p.Type, p.Title, p.Status = "urn:gakushoku:problem:"+p.Code, k.title, k.status
	p.Instance, p.CorrelationID = clip(r.URL.EscapedPath()), observe.CorrelationID(r.Context())
	var refused *identity.Refused
	if errors.As(err, &refused) {
		retryAfter = refused.Wait
		if refused.Challenge != "" {
			w.Header().Set("WWW-Authenticate", refused.Challenge)
		}
	}
	if retryAfter > 0 {
		w.Header().Set("Retry-After", seconds(retryAfter))
	}
	note(w, p.Code, err)
	writeBody(w, p.Status, "application/problem+json", p)
}

// seconds returns d in whole seconds, rounded up, for Retry-After.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
