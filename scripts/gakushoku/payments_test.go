package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/edge/payment"
)

func TestTheProvidersLedgerIsShownWhileItRunsAndAfterwards(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "payments")
	run := start(t, "payments", "serve", "--addr", "127.0.0.1:0", "-d", dir)
	run.eventually(t, run.out, "payment provider on http://")
	url := strings.Fields(strings.SplitAfter(run.out.String(), "provider on ")[1])[0]
	client, err := payment.NewCard(url, "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Capture(t.Context(), "p1", 780); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Refund(t.Context(), "p1", "r1", 80); err != nil {
		t.Fatal(err)
	}
	shown := "PAYMENT  STATUS    YEN  REFUNDED  REASON\np1       CAPTURED  780  80        -\n780 yen captured, 80 of them refunded\n"
	for _, args := range [][]string{{"--url", url}, {"-d", dir}} {
		if got := ok(t, append([]string{"payments", "ledger"}, args...)...); got != shown {
			t.Errorf("%v: got\n%s", args, got)
		}
	}
	contains(t, ok(t, "payments", "ledger", "--url", url, "--json"), `{"key":"p1","status":"CAPTURED","yen":780,"refunds":{"r1":80}}`)
	response, err := http.Get(url + "/health") //nolint:noctx // a test's
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", response, err)
	}
	response.Body.Close()
	run.stop()
	if code := <-run.ended; code != exitDone {
		t.Errorf("exit %d: %s", code, run.err.String())
	}
}

func TestAProviderForOtherMachinesNeedsASecret(t *testing.T) {
	t.Parallel()
	call(t, "payments", "serve", "--addr", "0.0.0.0:0").wants(t, exitUsage, "GAKUSHOKU_PAYMENT_SECRET")
	call(t, "payments", "serve", "--addr", "nowhere").wants(t, exitUsage, "--addr takes IP:PORT")
	call(t, "payments", "ledger", "-d", t.TempDir()).wants(t, exitFailed, "no provider's book", "payments serve")
}

// TestAWrongSecretIsSeenBeforeTheFirstPayment asks a server's health whose provider wants another secret.
func TestAWrongSecretIsSeenBeforeTheFirstPayment(t *testing.T) {
	t.Parallel()
	provider := start(t, "payments", "serve", "--addr", "127.0.0.1:0", "-d", filepath.Join(t.TempDir(), "payments"), "--secret", "ours")
	provider.eventually(t, provider.out, "payment provider on http://")
	url := strings.Fields(strings.SplitAfter(provider.out.String(), "provider on ")[1])[0]
	server := start(t, serving(filepath.Join(t.TempDir(), "data"), "--payment-provider", url)...)
	address, _ := server.addresses(t)
	// A canteen that takes cash is well.
	contains(t, fetch(t, address+"/health"), `"name":"paymentProvider","status":"failing"`, "it answered 401: check the provider's secret")
	for _, run := range []*running{server, provider} {
		run.stop()
		<-run.ended
	}
}
