package command

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// makeID returns an id for a new aggregate. If there is a key, the id derives from it, so that a repeated
// request finds what the first one created. It also derives from the caller, so that equal keys of different
// callers do not collide.
func (h *Handler) makeID(caller, key string) string {
	if key == "" {
		return h.NewID()
	}
	sum := sha256.Sum256([]byte(caller + "\x00" + key))
	return "K" + base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:25]
}

// Hash returns a digest of a command as the client sent it: the same for every spelling of the same JSON. It
// does not cover what the server adds, such as the time.
func Hash(name string, c any) (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", name, err)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), body...))
	return hex.EncodeToString(sum[:16]), nil
}
