package credential

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Secret signs sessions. The newest one signs; older ones are accepted as long as what they signed lasts, unless
// a newer one is the only one.
type Secret struct {
	ID      string    `json:"id"`
	Bytes   []byte    `json:"bytes"`
	Created time.Time `json:"created"`
	Only    bool      `json:"only,omitempty"` // those before it are no longer accepted
}

// secretBytes is the number of random bytes of a secret.
const secretBytes = 32

// Secrets are the secrets of an installation.
type Secrets struct {
	Store Store
	Now   func() time.Time
}

// List returns the secrets that are accepted, the oldest first.
func (s Secrets) List(ctx context.Context) ([]Secret, error) {
	all, err := s.all(ctx)
	for i := len(all) - 1; i > 0; i-- {
		if all[i].Only {
			return all[i:], err
		}
	}
	return all, err
}

func (s Secrets) all(ctx context.Context) ([]Secret, error) {
	records, err := s.Store.Credentials(ctx, KindSecret)
	if err != nil {
		return nil, fmt.Errorf("reading the secrets of sessions: %w", err)
	}
	secrets := make([]Secret, len(records))
	for i, r := range records {
		if err := json.Unmarshal(r.Value, &secrets[i]); err != nil {
			return nil, fmt.Errorf("reading secret %s of sessions: %w", r.ID, err)
		}
	}
	return secrets, nil
}

// Ensure is List that makes the first secret if there is none.
func (s Secrets) Ensure(ctx context.Context) ([]Secret, error) {
	secrets, err := s.List(ctx)
	if err != nil || len(secrets) > 0 {
		return secrets, err
	}
	if _, err := s.add(ctx, 1, false); err != nil && !errors.Is(err, ErrExists) { // another process may be making it
		return nil, err
	}
	return s.List(ctx)
}

// Rotate makes a new secret, which signs from now on. With only, what the others have signed is no longer
// accepted.
func (s Secrets) Rotate(ctx context.Context, only bool) (Secret, error) {
	for range maxRaces {
		secrets, err := s.all(ctx)
		if err != nil {
			return Secret{}, err
		}
		made, err := s.add(ctx, len(secrets)+1, only)
		if !errors.Is(err, ErrExists) {
			return made, err
		}
	}
	return Secret{}, errors.New("rotating the secret of sessions: others kept doing the same: try again")
}

// add stores the secret with this number. Ids sort as their numbers do.
func (s Secrets) add(ctx context.Context, number int, only bool) (Secret, error) {
	made := Secret{ID: fmt.Sprintf("%06d", number), Bytes: make([]byte, secretBytes), Created: s.Now().UTC().Truncate(time.Second), Only: only}
	rand.Read(made.Bytes) //nolint:errcheck // it never fails
	value, err := json.Marshal(made)
	if err != nil {
		return Secret{}, fmt.Errorf("encoding a secret: %w", err)
	}
	if err := s.Store.AddCredential(ctx, KindSecret, Record{ID: made.ID, Value: value}); err != nil {
		return Secret{}, fmt.Errorf("storing a secret of sessions: %w", err)
	}
	return made, nil
}
