package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// doors are the listeners of a canteen by address. They stay open while its server restarts, so that no
// other process can take the address; a client that connects meanwhile waits.
type doors map[string]*net.TCPListener

// lend returns a listener for one server. Closing it leaves the address taken.
func (d doors) lend(ctx context.Context, addr string) (net.Listener, error) {
	door, ok := d[addr]
	if !ok {
		opened, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		if door, ok = opened.(*net.TCPListener); !ok {
			return nil, fmt.Errorf("%s is no TCP address", addr)
		}
		d[door.Addr().String()] = door
	}
	return &lentDoor{TCPListener: door}, door.SetDeadline(time.Time{})
}

// close gives the addresses back.
func (d doors) close() (err error) {
	for _, door := range d {
		err = errors.Join(err, door.Close())
	}
	return err
}

// lentDoor accepts connections until it is closed.
type lentDoor struct {
	*net.TCPListener
	closed atomic.Bool
}

// Accept is net.Listener.
func (l *lentDoor) Accept() (net.Conn, error) {
	connection, err := l.TCPListener.Accept()
	if l.closed.Load() {
		if err == nil {
			connection.Close()
		}
		return nil, net.ErrClosed
	}
	return connection, err
}

// Close is net.Listener. It wakes a waiting Accept.
func (l *lentDoor) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	return l.SetDeadline(time.Unix(1, 0))
}
