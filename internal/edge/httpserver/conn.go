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

// connKey is the context key of a request's connection.
type connKey struct{}

// conn is a connection that knows whether a handler is responding. What is written at other times is
// net/http's own response to a request that it could not read.
type conn struct {
	net.Conn
	handled atomic.Bool // from the beginning of a handler until the next request may arrive
	refuse  func(status int, reason string) []byte
	freed   func(*conn)
	closing sync.Once
}

// Write implements net.Conn. It replaces responses of net/http itself by ours.
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

// refusal parses a response of net/http itself: the status, and after the blank line the status again,
// sometimes with a reason.
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

// The limits of reading on from a client that is still sending: closing a connection with unread bytes
// resets it, and the client loses the response.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 4 << 20
)

func (c *conn) linger() {
	c.CloseWrite()                                           //nolint:errcheck // the client has gone
	c.SetReadDeadline(time.Now().Add(lingerTime))            //nolint:errcheck // likewise
	io.Copy(io.Discard, io.LimitReader(c.Conn, lingerBytes)) //nolint:errcheck // likewise
}

// CloseWrite closes the sending side. net/http checks for this method.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.closing.Do(func() { c.freed(c) })
	return err
}
