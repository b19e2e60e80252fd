package identity

import (
	"errors"
	"time"
)

// The codes of this package's refusals are part of the HTTP interface: never change one.
const (
	CodeNoCredentials = "identity/no-credentials"      // 401: the operation is not for everybody
	CodeInvalid       = "identity/invalid-credentials" // 401: what was shown is not accepted
	CodeWrongKey      = "request/wrong-api-key"        // 401: the same for device keys
	CodeMissingScope  = "identity/missing-scope"       // 403: the caller may not do this
	CodeThrottled     = "service/throttled"            // 429: the caller sends too many requests
)

// Refused is the refusal of a request because of who sent it.
type Refused struct {
	Code   string
	Detail string
	// Challenge is what WWW-Authenticate says; "" for refusals that other credentials do not help.
	Challenge string
	// Wait is how long the caller has to wait; 0 for refusals that waiting does not help.
	Wait time.Duration
}

func (r *Refused) Error() string { return r.Detail }

// DomainCode makes it a refusal like those of the rules.
func (r *Refused) DomainCode() string { return r.Code }

const realm = `Bearer realm="gakushoku"`

// ErrWrongKey means that a device key is unknown, has expired or was revoked.
var ErrWrongKey error = &Refused{
	Code: CodeWrongKey, Detail: "no caller has this API key: send the right one in x-api-key, or none",
	Challenge: `ApiKey realm="gakushoku", ` + realm + `, error="invalid_token"`,
}

// refused returns the refusal of a credential.
func refused(detail string) error {
	return &Refused{Code: CodeInvalid, Detail: detail, Challenge: realm + `, error="invalid_token"`}
}

func isRefused(err error) bool {
	var r *Refused
	return errors.As(err, &r)
}

// NoCredentials returns the refusal of an anonymous request for an operation that needs a scope.
func NoCredentials(need Need) error {
	return &Refused{Code: CodeNoCredentials, Detail: "this needs " + need.String() + ": send a token or a device key, or begin a session as a guest (POST /session)", Challenge: realm}
}

// Throttled returns the refusal of a caller who sends too many requests.
func Throttled(wait time.Duration) error {
	return &Refused{Code: CodeThrottled, Detail: "you send too many requests: send the same one again later, a command with its Idempotency-Key", Wait: wait}
}

// MissingScope returns the refusal of a caller who lacks what an operation needs.
func MissingScope(role string, need Need) error {
	if role == "" {
		role = "without one"
	}
	return &Refused{
		Code: CodeMissingScope, Detail: "this needs " + need.String() + ", which your role (" + role + ") does not have",
		Challenge: realm + `, error="insufficient_scope", scope="` + need.scopes() + `"`,
	}
}
