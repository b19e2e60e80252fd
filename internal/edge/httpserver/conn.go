package httpserver

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// connKey is the connection in the context of its requests.
type connKey struct{}

// conn is a connection that knows whether a handler answers. What is written while none does, is
// net/http's own answer to a request that it could not read.
type conn struct {
	net.Conn
	handled atomic.Bool // from when a handler begins to when the next request may come
	refuse  func(status int, reason string) []byte
	freed   func(*conn)
	closing sync.Once
}

// Write is net.Conn. An answer of net/http itself is replaced by ours.
func (c *conn) Write(p []byte) (int, error) {
	status, reason, ok := refusal(p)
	if c.handled.Load() || !ok {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(c.refuse(status, reason)); err != nil {
		return 0, err
	}
	c.linger()
	return len(p), nil
}

// refusal reads an answer that net/http writes by itself: the status, and after the blank line
// the status again and sometimes a reason.
func refusal(p []byte) (status int, reason string, ok bool) {
	rest, ok := bytes.CutPrefix(p, []byte("HTTP/1."))
	if !ok || len(rest) < len("1 400") {
		return 0, "", false
	}
	status, err := strconv.Atoi(string(rest[2:5]))
	_, body, _ := strings.Cut(string(p), "\r\n\r\n")
	if _, after, found := strings.Cut(body, ": "); found {
		reason = after
	}
	return status, reason, err == nil && status >= 400
}

// A client that still sends is read for a while: closing a connection with unread bytes resets
// it, and the answer is lost.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 4 << 20
)

func (c *conn) linger() {
	c.CloseWrite()                                           //nolint:errcheck // the client has gone
	c.SetReadDeadline(time.Now().Add(lingerTime))            //nolint:errcheck // likewise
	io.Copy(io.Discard, io.LimitReader(c.Conn, lingerBytes)) //nolint:errcheck // likewise
}

// CloseWrite ends what is sent; net/http looks for it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close is net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.closing.Do(func() { c.freed(c) })
	return err
}
