package eventlog_test

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// TestMain archives something first: the compressor makes its channels when it is used for the
// first time, and those that are made in a test's bubble cannot be used outside of it.
func TestMain(m *testing.M) {
	l := newLog()
	if _, err := l.archiver(l.ledger, l.blobs).Commit(context.Background(), records("first", 0, 1)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
