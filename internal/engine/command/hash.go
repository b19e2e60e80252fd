package command

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// makeID makes an id for a new aggregate: from the key when there is one, so that a repeated request
// finds what it made the first time. Keys of different callers do not meet: the caller is part of
// what the id is made of.
func (h *Handler) makeID(caller, key string) string {
	if key == "" {
		return h.NewID()
	}
	sum := sha256.Sum256([]byte(caller + "\x00" + key))
	return "K" + base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:25]
}

// Hash is a digest of a command as the client sent it: the same for every spelling of the
// same JSON. What the entrance adds, such as the time, is not part of it.
func Hash(name string, c any) (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", name, err)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), body...))
	return hex.EncodeToString(sum[:16]), nil
}
