package identity

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A token that was verified is remembered, but not beyond its end, nor beyond the key that signed it.
func TestAVerifiedTokenIsRememberedUntilItsEndOrThatOfItsKey(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t, "ec"), newClock()
	tokens := p.tokens(t, c.now)
	ends := noon.Add(time.Minute)
	token := sign(t, jose.ES256, signing()["ec"], "ec", claims(map[string]any{"exp": ends.Unix()}))
	for range 2 {
		if got, err := tokens.Verify(t.Context(), token); err != nil || got.Name == "" {
			t.Fatal(got, err)
		}
	}
	if len(tokens.verified.recent) != 1 {
		t.Fatal("it is not remembered")
	}
	c.set(ends.Add(leeway + time.Second))
	got, err := tokens.Verify(t.Context(), token)
	wantRefused(t, "after its end", got, err, CodeInvalid)

	long := sign(t, jose.ES256, signing()["ec"], "ec", claims(map[string]any{"exp": noon.Add(48 * time.Hour).Unix()}))
	if _, err := tokens.Verify(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	p.publish("ed")                                                                                                    // the provider withdraws the key
	next := sign(t, jose.EdDSA, signing()["ed"], "ed", claims(map[string]any{"exp": noon.Add(48 * time.Hour).Unix()})) // its keys are read
	c.pass(keysPause)
	if _, err := tokens.Verify(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	c.pass(keysPause)
	got, err = tokens.Verify(t.Context(), long)
	wantRefused(t, "after its key was withdrawn", got, err, CodeInvalid)
}

func TestWhatIsRememberedOfTokensIsBounded(t *testing.T) {
	t.Parallel()
	var v verified
	for i := range 3 * verifiedMax {
		v.keep([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, verifiedToken{}, noon, noon.Add(time.Hour))
	}
	if n := len(v.recent) + len(v.earlier); n > 2*verifiedMax {
		t.Errorf("%d tokens are remembered", n)
	}
	if _, ok := v.of([32]byte{0, 0, 0}, noon.Add(time.Second)); ok {
		t.Error("the oldest is still there")
	}
}
