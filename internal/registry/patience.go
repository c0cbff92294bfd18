package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// patience is how long nothing may move on a connection. A registry may take its time to
// put a large blob where it belongs, and says nothing meanwhile.
var patience = 5 * time.Minute

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// patient gives up connections on which nothing moves: one that is accepted and never
// answered has no other end.
func patient(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watched{Conn: c}, nil
	}
}

type watched struct{ net.Conn }

// Read implements net.Conn.
func (w *watched) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(p)
	return n, silent(err)
}

// Write implements net.Conn. Who sends may wait for the answer as long again.
func (w *watched) Write(p []byte) (int, error) {
	if err := w.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(p)
	return n, silent(err)
}

// silent says what the deadline means. It is not an error after which one tries again.
func silent(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the registry said nothing for %s", patience)
	}
	return err
}
