package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
)

// sessionPrefix begins the token of a guest's session.
const sessionPrefix = "gas_"

// SessionLasts is how long a guest's session lasts.
const SessionLasts = 24 * time.Hour

// Session is a guest's session as its guest gets it.
type Session struct {
	Token   string
	Subject string // the name of the caller
	Expires time.Time
}

// Sessions issues and accepts the sessions of guests. A session is a random subject and its end, signed with a
// secret of the installation. Nothing is stored, and nothing in it leads to a person.
type Sessions struct {
	secrets credential.Secrets
	all     *cache[[]credential.Secret]
}

// NewSessions returns the sessions that are signed with these secrets, which are read again after fresh.
func NewSessions(secrets credential.Secrets, fresh time.Duration) *Sessions {
	return &Sessions{secrets: secrets, all: newCache(&cache[[]credential.Secret]{
		load: secrets.List, now: secrets.Now, fresh: fresh, usable: time.Hour, pause: 100 * time.Millisecond, again: time.Second,
	})}
}

// A session's claims are the id of the secret, the end in seconds since 1970, and the random subject.
const (
	secretIDBytes = 6
	subjectBytes  = 16
	claimsBytes   = secretIDBytes + 8 + subjectBytes
)

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Issue begins a session. It makes the first secret of an installation.
func (s *Sessions) Issue(ctx context.Context) (Session, error) {
	secrets, err := s.all.get(ctx, func(all []credential.Secret) bool { return len(all) > 0 })
	if err == nil && len(secrets) == 0 {
		if secrets, err = s.secrets.Ensure(ctx); err == nil {
			s.all.put(secrets)
		}
	}
	if err != nil {
		return Session{}, err
	}
	secret := secrets[len(secrets)-1]
	if len(secret.ID) != secretIDBytes {
		return Session{}, errors.New("the id of the newest secret of sessions has another length")
	}
	expires := s.secrets.Now().Add(SessionLasts).Truncate(time.Second)
	claims := make([]byte, claimsBytes)
	copy(claims, secret.ID)
	binary.BigEndian.PutUint64(claims[secretIDBytes:], uint64(expires.Unix()))
	rand.Read(claims[claimsBytes-subjectBytes:]) //nolint:errcheck // it never fails
	encode := base64.RawURLEncoding.EncodeToString
	return Session{Token: sessionPrefix + encode(claims) + "." + encode(signed(secret, claims)), Subject: subjectOf(claims), Expires: expires}, nil
}

func subjectOf(claims []byte) string {
	return "guest-" + lowerBase32.EncodeToString(claims[claimsBytes-subjectBytes:])
}

// signed returns the signature of claims. The text before them keeps a secret's signatures from meaning
// anything elsewhere.
func signed(secret credential.Secret, claims []byte) []byte {
	mac := hmac.New(sha256.New, secret.Bytes)
	mac.Write([]byte("gakushoku guest session\n"))
	mac.Write(claims)
	return mac.Sum(nil)
}

// Verify returns the guest of a session.
func (s *Sessions) Verify(ctx context.Context, token string) (observe.Caller, error) {
	malformed := refused("this is no session of ours: begin one with POST /session")
	first, second, ok := strings.Cut(strings.TrimPrefix(token, sessionPrefix), ".")
	claims, err := base64.RawURLEncoding.Strict().DecodeString(first)
	signature, err2 := base64.RawURLEncoding.Strict().DecodeString(second)
	if !ok || err != nil || err2 != nil || len(claims) != claimsBytes {
		return observe.Caller{}, malformed
	}
	id := string(claims[:secretIDBytes])
	with := func(secret credential.Secret) bool { return secret.ID == id }
	secrets, err := s.all.get(ctx, func(all []credential.Secret) bool { return slices.ContainsFunc(all, with) })
	if err != nil {
		return observe.Caller{}, err
	}
	at := slices.IndexFunc(secrets, with)
	if at < 0 || !hmac.Equal(signature, signed(secrets[at], claims)) {
		return observe.Caller{}, malformed
	}
	if expires := int64(binary.BigEndian.Uint64(claims[secretIDBytes:])); s.secrets.Now().Unix() >= expires {
		return observe.Caller{}, refused("the session has ended: begin another with POST /session")
	}
	return CallerWith(subjectOf(claims), RoleGuest), nil
}

// Cookie returns the cookie that carries a session. secure says that the request came over TLS.
func (s Session) Cookie(secure bool) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: s.Token, Path: "/", Expires: s.Expires, MaxAge: int(SessionLasts / time.Second),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
}
