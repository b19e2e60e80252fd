package provider_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/edge/payment"
	"gakushoku/internal/rehearse/provider"
)

var crashes = flag.Int("crashes", 6, "how often the provider is killed")

// bookEnv makes the test binary serve the book in the folder that it names, until it is killed.
const bookEnv = "GAKUSHOKU_TEST_BOOK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(bookEnv); dir != "" {
		fmt.Fprintln(os.Stderr, serveForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveForEver(dir string) error {
	ctx := context.Background()
	book, err := provider.OpenBook(ctx, dir, true)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return provider.Serve(ctx, listener, provider.Options{Book: book, Logger: zerolog.Nop()})
}

// TestTheBookHoldsWhatWasAcknowledgedAfterKill9 kills a provider at any moment while payments are captured,
// refunded and voided, and compares its book with what it had acknowledged.
func TestTheBookHoldsWhatWasAcknowledgedAfterKill9(t *testing.T) {
	t.Parallel()
	dir, acknowledged := t.TempDir(), map[string]payment.Receipt{}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range *crashes {
		process := exec.Command(self)
		process.Env = append(os.Environ(), bookEnv+"="+dir)
		process.Stderr = os.Stderr
		out, err := process.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		address, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(20+13*(round%7))*time.Millisecond, func() { process.Process.Kill() }) //nolint:errcheck // it runs
		use(t, "http://"+strings.TrimSpace(address), round, acknowledged)
		process.Wait() //nolint:errcheck // it was killed
		kill.Stop()
	}
	book, err := provider.OpenBook(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	for key, want := range acknowledged {
		got, err := book.Receipt(t.Context(), key)
		if err != nil || got.Status != want.Status || got.Yen != want.Yen || got.Refunded() < want.Refunded() {
			t.Errorf("acknowledged %+v, kept %+v, %v", want, got, err)
		}
	}
	if len(acknowledged) == 0 {
		t.Error("nothing was acknowledged before a kill: nothing was tested")
	}
	t.Logf("%d kills, %d payments", *crashes, len(acknowledged))
}

// use makes calls until the provider is gone, and notes what it acknowledged.
func use(t *testing.T, url string, round int, acknowledged map[string]payment.Receipt) {
	t.Helper()
	client, err := payment.NewCard(url, "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for n := 0; ; n++ {
		key := fmt.Sprintf("r%d-p%d", round, n)
		call := func() (payment.Receipt, error) { return client.Capture(t.Context(), key, 780) }
		if n%3 == 1 {
			call = func() (payment.Receipt, error) { return client.Void(t.Context(), key) }
		}
		r, err := call()
		if err != nil {
			return
		}
		acknowledged[key] = r
		if n%3 == 2 {
			if r, err = client.Refund(t.Context(), key, "refund", 780); err != nil {
				return
			}
			acknowledged[key] = r
		}
	}
}
