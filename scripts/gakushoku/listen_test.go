package main

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// taken is an address that another program listens on.
func taken(t *testing.T, addr string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		t.Skipf("another program has %s", addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestServerPrintsItsFreeOpsPort(t *testing.T) {
	t.Parallel()
	usual := taken(t, defaultOpsAddr)
	server := start(t, "serve", "-d", filepath.Join(t.TempDir(), "data"), "--addr", "127.0.0.1:0", "--stop-grace", "0s")
	url, ops := server.addresses(t)
	contains(t, server.eventually(t, server.out, "was taken"), usual+" was taken: use gakushoku top --url "+ops)
	contains(t, fetch(t, ops+"/metrics"), "gakushoku_telemetry_lost_total")
	contains(t, fetch(t, url+"/health/ready"), "ok")
	server.stop()
	if code := <-server.ended; code != exitDone {
		t.Errorf("exit %d: %s", code, server.err.String())
	}
}

func TestAnOpsAddressThatWasAskedForIsNotReplaced(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	ops := taken(t, "127.0.0.1:0")
	call(t, "serve", "-d", data, "--addr", "127.0.0.1:0", "--ops-addr", ops).wants(t, exitFailed, "cannot listen on "+ops, "choose another --ops-addr")
	call(t, "serve", "-d", data, "--addr", ops, "--ops-addr", ops).wants(t, exitUsage, "--ops-addr "+ops+" is --addr too", "a port of its own")
	_, port, err := net.SplitHostPort(free(t))
	if err != nil {
		t.Fatal(err)
	}
	call(t, "serve", "-d", data, "--addr", "127.0.0.1:"+port, "--ops-addr", "localhost:"+port).wants(t, exitFailed, "--addr has this port, choose another --ops-addr")
	if found, err := filepath.Glob(data); err != nil || len(found) > 0 {
		t.Errorf("a server that did not start left %s: %v", strings.Join(found, " "), err)
	}
}

// free is an address that was free a moment ago.
func free(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
