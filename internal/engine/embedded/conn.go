//go:build linux

package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// The control connection between parent and engine is a pair of SOCK_SEQPACKET
// sockets, whose messages keep their bounds. The parent sends its config, the
// engine one reply, and from then on each message of the parent carries a
// connected stream socket, a client's connection. When the parent closes its
// end the engine stops.

const maxMessage = 64 << 10

// socketPair returns both ends of a new connection, closed on exec.
func socketPair(kind int) (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

// unixConn makes a connection of f, and closes f.
func unixConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("using a socket: %w", err)
	}
	uc, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("a socket of kind %T is not a unix socket", c)
	}
	return uc, nil
}

func send(c *net.UnixConn, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.Write(b)
	return err
}

func receive(c *net.UnixConn, v any) error {
	b := make([]byte, maxMessage)
	n, err := c.Read(b)
	if err != nil {
		return err
	}
	if n == 0 {
		return io.EOF
	}
	return json.Unmarshal(b[:n], v)
}

// dial gives the engine a new connection and returns the other end.
func dial(control *net.UnixConn) (net.Conn, error) {
	ours, theirs, err := socketPair(unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	if _, _, err := control.WriteMsgUnix([]byte{'c'}, unix.UnixRights(int(theirs.Fd())), nil); err != nil {
		ours.Close()
		return nil, fmt.Errorf("connecting to the engine: %w", err)
	}
	return unixConn(ours)
}

// listener is the engine's side of dial.
type listener struct {
	control *net.UnixConn
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := l.control.ReadMsgUnix(b, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, fmt.Errorf("reading a control message: %w", err)
	}
	if len(msgs) != 1 {
		return nil, errors.New("a control message without a connection")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		return nil, fmt.Errorf("reading a control message: %w", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return unixConn(os.NewFile(uintptr(fds[0]), "client"))
}

func (l *listener) Close() error {
	l.once.Do(func() { l.control.Close() })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: argv0} }
