//go:build linux

package embedded

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
)

func owner(fi fs.FileInfo) int { return int(fi.Sys().(*syscall.Stat_t).Uid) }

// listenOnHost listens on a TCP port of both loopback addresses and on an
// abstract socket, and returns their names. Both answer on the host.
func listenOnHost(t *testing.T) (port, abstract string) {
	t.Helper()
	abstract = fmt.Sprintf("twice-test-%d", os.Getpid())
	tcp, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	unix, err := net.Listen("unix", "@"+abstract)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close() })
	port = strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port)
	for network, addr := range map[string]string{"tcp": "127.0.0.1:" + port, "unix": "@" + abstract} {
		c, err := net.Dial(network, addr)
		if err != nil {
			t.Fatalf("the test's own listener does not answer: %v", err)
		}
		c.Close()
	}
	return port, abstract
}
