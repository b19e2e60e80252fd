package drill

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestARestartKeepsItsAddress(t *testing.T) {
	t.Parallel()
	d := doors{}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	first, err := d.lend(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, ended := first.Addr().String(), make(chan error, 1)
	go func() { _, err := first.Accept(); ended <- err }()
	for range 2 { // the second time does no harm to the next server
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a server that was ended goes on: %v", err)
	}
	if another, err := net.Listen("tcp", addr); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("another process took %s: %v, %v", addr, another, err)
	}
	second, err := d.lend(t.Context(), addr)
	if err == nil {
		err = first.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	guest, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	if _, err := second.Accept(); err != nil || second.Addr().String() != addr {
		t.Errorf("the next server at %s: %v", second.Addr(), err)
	}
}
