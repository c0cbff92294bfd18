package plan

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the kernel counts of a network of one's own is what a step says in the end.
func TestCountNetwork(t *testing.T) {
	if os.Getenv("TWICE_TEST_TRIES") == "1" {
		for _, addr := range strings.Fields(os.Getenv("TWICE_TEST_TRIED")) {
			network, to, _ := strings.Cut(addr, "/")
			if c, err := net.Dial(network, to); err == nil {
				_, _ = c.Write([]byte("x"))
				_ = c.Close()
			}
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a network of its own")
	}
	if out, err := exec.Command("unshare", "--net", "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Skipf("a network of its own can't be made: %v: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ tried, want string }{
		"nothing":              {"", "0"},
		"a connection":         {"tcp/192.0.2.1:80", "1"},
		"another family":       {"tcp/[2001:db8::1]:80", "1"},
		"a datagram":           {"udp/192.0.2.1:53", "1"},
		"a name server here":   {"udp/127.0.0.1:53 udp/[::1]:53", "2"},
		"nobody, on this side": {"tcp/127.0.0.1:9", "0"},
		"much":                 {strings.Repeat("tcp/192.0.2.1:80 ", 100), "100"},
	} {
		file := filepath.Join(t.TempDir(), "network")
		script := "ip link set lo up\n" + self + " -test.run '^TestCountNetwork$' >/dev/null\n" + countNetwork(file)
		cmd := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-eu")
		cmd.Env = append(os.Environ(), "TWICE_TEST_TRIES=1", "TWICE_TEST_TRIED="+c.tried)
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(got)) != c.want {
			t.Errorf("%s: %q, %v; want %s", name, got, err, c.want)
		}
	}
}
