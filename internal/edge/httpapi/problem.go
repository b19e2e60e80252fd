package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// problem is the body of every response that is not what was asked for (RFC 9457).
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

// violation is one place where a request does not keep to the contract.
type violation struct {
	In     string `json:"in"` // body, query, path or header
	Name   string `json:"name,omitempty"`
	Detail string `json:"detail"`
}

// requestError refuses a request before anybody has to think about it.
type requestError struct {
	code       string
	detail     string
	violations []violation
}

func (e *requestError) Error() string { return e.detail }

// DomainCode makes it a refusal, like those of the rules.
func (e *requestError) DomainCode() string { return e.code }

// invalid refuses a request for these violations of the contract.
func invalid(violations ...violation) error {
	lines := make([]string, len(violations))
	for i, v := range violations {
		lines[i] = strings.TrimSpace(v.In+" "+v.Name) + ": " + v.Detail
	}
	return &requestError{code: codeInvalid, detail: strings.Join(lines, "; "), violations: violations}
}

// The codes of this package. They are part of the HTTP interface: never change one.
const (
	codeMalformed   = "request/malformed"
	codeInvalid     = "request/invalid"
	codeTooLarge    = "request/too-large"
	codeMediaType   = "request/unsupported-media-type"
	codeTimeout     = "request/timeout"
	codeWrongKey    = "request/wrong-api-key"
	codeNoRoute     = "request/no-such-path"
	codeMethod      = "request/method-not-allowed"
	codeHeaders     = "request/headers-too-large"
	codeEncoding    = "request/unsupported-transfer-encoding"
	codeProtocol    = "request/unsupported-http-version"
	codeExpectation = "request/unsupported-expectation"
	codeUnavailable = "service/unavailable"
	codeInternal    = "service/internal-error"
)

// kind is what all problems of one code have in common.
type kind struct {
	status int
	title  string
}

// kinds maps codes to statuses: the one place that knows both.
var kinds = map[string]kind{
	codeMalformed:   {http.StatusBadRequest, "The request cannot be read"},
	codeInvalid:     {http.StatusBadRequest, "The request is not as the interface asks"},
	codeTooLarge:    {http.StatusRequestEntityTooLarge, "The request is too large"},
	codeMediaType:   {http.StatusUnsupportedMediaType, "The request's body is of another type"},
	codeTimeout:     {http.StatusRequestTimeout, "The request did not come in time"},
	codeWrongKey:    {http.StatusUnauthorized, "The API key is not known"},
	codeNoRoute:     {http.StatusNotFound, "There is nothing here"},
	codeMethod:      {http.StatusMethodNotAllowed, "The path does not take this method"},
	codeHeaders:     {http.StatusRequestHeaderFieldsTooLarge, "The request's headers are too large"},
	codeEncoding:    {http.StatusNotImplemented, "The request's transfer encoding is not supported"},
	codeProtocol:    {http.StatusHTTPVersionNotSupported, "The HTTP version is not supported"},
	codeExpectation: {http.StatusExpectationFailed, "The expectation cannot be met"},
	codeUnavailable: {http.StatusServiceUnavailable, "The service is not available at the moment"},
	codeInternal:    {http.StatusInternalServerError, "The service has made a mistake"},

	query.CodeInvalidCursor:     {http.StatusBadRequest, "The cursor is not known"},
	query.CodeInvalidBucket:     {http.StatusBadRequest, "The day is not a day"},
	query.CodeInvalidValue:      {http.StatusBadRequest, "The status is not known"},
	order.CodeVersionNotReached: {http.StatusPreconditionFailed, "The order is older than asked for"},

	command.CodeKeyReused:  {http.StatusUnprocessableEntity, "The Idempotency-Key was used before"},
	command.CodeUnfoldable: {http.StatusConflict, "The order's events contradict one another"},

	order.CodeNotFound:         {http.StatusNotFound, "There is no such order"},
	order.CodeAlreadyExists:    {http.StatusConflict, "The order was placed before"},
	order.CodeAlreadyPaid:      {http.StatusConflict, "The order was paid before"},
	order.CodeAlreadyPreparing: {http.StatusConflict, "The kitchen has begun before"},
	order.CodeAlreadyReady:     {http.StatusConflict, "The order was ready before"},
	order.CodeAlreadyPickedUp:  {http.StatusConflict, "The order was picked up before"},
	order.CodeAlreadyCancelled: {http.StatusConflict, "The order was cancelled before"},
	order.CodeNotPaid:          {http.StatusConflict, "The order is not paid"},
	order.CodeNotPreparing:     {http.StatusConflict, "The kitchen has not begun"},
	order.CodeNotReady:         {http.StatusConflict, "The order is not ready"},
	order.CodeTooLateToCancel:  {http.StatusConflict, "The order can no longer be cancelled"},
	order.CodeInvalidID:        {http.StatusUnprocessableEntity, "The order's id cannot be used"},
	order.CodeInvalidLines:     {http.StatusUnprocessableEntity, "The order's lines cannot be taken"},
	order.CodeInvalidAmount:    {http.StatusUnprocessableEntity, "The amount is out of bounds"},
	order.CodeTotalMismatch:    {http.StatusUnprocessableEntity, "The total is not the sum of the lines"},
	order.CodeInvalidMethod:    {http.StatusUnprocessableEntity, "The payment method is not known"},
	order.CodeInvalidReason:    {http.StatusUnprocessableEntity, "The reason cannot be taken"},
}

// unknownKind is the answer to a refusal that kinds does not know; a test keeps it from
// being needed.
var unknownKind = kind{http.StatusUnprocessableEntity, "The rules do not allow it"}

// What clients hear of errors that are not theirs. The log has the rest.
const (
	unavailableDetail = "something that the service needs is down or busy: send the same request again, a command with its Idempotency-Key"
	internalDetail    = "the request has met a defect: report it with the correlation id"
)

// problemOf turns an error into what may be said of it, and after how long to try again.
func problemOf(err error) (problem, time.Duration) {
	var refusal fault.DomainError
	switch {
	case errors.As(err, &refusal):
		p := problem{Code: refusal.DomainCode(), Detail: refusal.Error()}
		var request *requestError
		if errors.As(err, &request) {
			p.Errors = request.violations
		}
		return p, 0
	case errors.Is(err, eventstore.ErrTooLarge):
		return problem{Code: codeTooLarge, Detail: "the order has become too large to be stored"}, 0
	case fault.ClassOf(err) == fault.Infra:
		return problem{Code: codeUnavailable, Detail: unavailableDetail}, max(fault.RetryAfter(err), time.Second)
	}
	return problem{Code: codeInternal, Detail: internalDetail}, 0
}

// writeError answers with the problem that err is, and tells the request's log line.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	p, retryAfter := problemOf(err)
	k, ok := kinds[p.Code]
	if !ok {
		k = unknownKind
	}
	p.Type, p.Title, p.Status = "urn:gakushoku:problem:"+p.Code, k.title, k.status
	p.Instance, p.CorrelationID = clip(r.URL.EscapedPath()), observe.CorrelationID(r.Context())
	if retryAfter > 0 {
		w.Header().Set("Retry-After", seconds(retryAfter))
	}
	note(w, p.Code, err)
	writeBody(w, p.Status, "application/problem+json", p)
}

// seconds is d in whole seconds, rounded up, as Retry-After wants it.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
