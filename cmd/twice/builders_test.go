package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// runcs are what builders run for each step in the place of runc, by the name
// of the builder. What is not here has the plain one.
var runcs = map[string]string{
	// One that was broken into: programs are changed after they were compiled.
	"lying": `"$@"
code=$?
sed -i s/hello,/hullo,/ "$bundle"/rootfs/out/bin/* 2>/dev/null
exit $code`,
	"slow":  `sleep 600`,
	"dying": `( sleep 1; "$@" & sleep 1; kill -9 "$daemon" ) & wait`,
}

const runcHead = `#!/bin/sh
# $0 is run with runc's arguments by the daemon, whose number is $PPID.
daemon=$PPID running= bundle= last=
for a; do [ "$last" != --bundle ] || bundle=$a; [ "$a" != run ] || running=yes; last=$a; done
set -- /usr/sbin/runc "$@"
[ "$running" ] || exec "$@"
`

// builders NAME … starts for each name a stock BuildKit daemon that has, besides
// its own mounts and processes, a network of its own: the tests' machine is at
// the other end of a cable. It listens with TLS, and wants a certificate that ca.pem
// vouches for; $NAME is its address with the files for it. One called dying listens on a
// socket instead, so that a try to reach it again is refused at once. Each
// starts with a copy of what the daemon of the command buildkitd knows, which is ended.
func cmdBuilders(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: builders NAME …")
	}
	stopDaemon(ts)
	ca := newCertifier(ts)
	ca.issue(ts, "client", nil)
	for i, name := range args {
		dir := ts.MkAbs(name)
		ts.Check(os.Mkdir(dir, 0o755))
		copyState(ts, ts.MkAbs("daemon-state"), filepath.Join(dir, "state"))
		// One /30 network for each cable of each test process.
		n := uint32(os.Getpid())<<4 | uint32(i)<<2
		ours, theirs := net.IPv4(10, 77+byte(n>>16&1), byte(n>>8), byte(n)|1), net.IPv4(10, 77+byte(n>>16&1), byte(n>>8), byte(n)|2)
		listen := []string{"--addr", "unix:///script/" + name + "/sock"}
		if name != "dying" {
			ca.issue(ts, name, theirs)
			listen = []string{"--addr", "tcp://0.0.0.0:1234", "--tlscacert", "/script/ca.pem", "--tlscert", "/script/" + name + ".pem", "--tlskey", "/script/" + name + ".key"}
		}
		flags := append(listen, "--root", "/script/"+name+"/state")
		if body, ok := runcs[name]; ok {
			ts.Check(os.WriteFile(filepath.Join(dir, "runc"), []byte(runcHead+body+"\n"), 0o755))
			flags = append(flags, "--oci-worker-binary", "/script/"+name+"/runc")
		}
		// Like a service it is started again when it ends. The first process of a
		// namespace can't be killed from inside: that is the shell.
		cmd := peersRoot(ts, append([]string{"sh", "-c", "while :; do ./daemon \"$@\"; sleep 0.2; done", "sh"}, flags...)...)
		log, err := os.Create(filepath.Join(dir, "log"))
		ts.Check(err)
		cmd.Stdout, cmd.Stderr = log, log
		ts.Check(cmd.Start())
		ts.Defer(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			_ = log.Close()
		})
		if name == "dying" {
			ts.Setenv(strings.ToUpper(name), "unix://"+filepath.Join(dir, "sock"))
			awaitDial(ts, "unix", filepath.Join(dir, "sock"), filepath.Join(dir, "log"))
			continue
		}
		cable(ts, fmt.Sprintf("tw%d", n&0xffffff), cmd.Process.Pid, ours, theirs)
		awaitDial(ts, "tcp", theirs.String()+":1234", filepath.Join(dir, "log"))
		ts.Setenv("PLAIN", fmt.Sprintf("tcp://%s:1234?ca=%s", theirs, ts.MkAbs("ca.pem")))
		ts.Setenv(strings.ToUpper(name), fmt.Sprintf("tcp://%s:1234?ca=%s&cert=%s&key=%s", theirs, ts.MkAbs("ca.pem"), ts.MkAbs("client.pem"), ts.MkAbs("client.key")))
	}
}

// cable joins this machine's network with a process's own. It goes with the process.
func cable(ts *testscript.TestScript, name string, pid int, ours, theirs net.IP) {
	own, err := os.Readlink("/proc/self/ns/net")
	ts.Check(err)
	for range 100 {
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && ns != own {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	in := []string{"nsenter", "--net", "--target", fmt.Sprint(pid), "ip"}
	for _, c := range [][]string{
		{"ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(pid)},
		{"ip", "addr", "add", ours.String() + "/30", "dev", name},
		{"ip", "link", "set", name, "up"},
		append(in, "addr", "add", theirs.String()+"/30", "dev", "eth0"),
		append(in, "link", "set", "eth0", "up"),
	} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			ts.Fatalf("%v: %v\n%s", c, err, out)
		}
	}
}

// copyState copies a daemon's state. What never changes is linked, databases
// are copied, and the copy is a worker of its own.
func copyState(ts *testscript.TestScript, from, to string) {
	script := `cp -al "$1" "$2" && cd "$2" && rm -f buildkitd.lock runc-overlayfs/workerid && find . -name '*.db' -exec sh -c 'cp "$1" "$1.new" && mv "$1.new" "$1"' sh {} \;`
	if out, err := exec.Command("sh", "-c", script, "sh", from, to).CombinedOutput(); err != nil {
		ts.Fatalf("copying %s: %v\n%s", from, err, out)
	}
}

// awaitDial waits until something listens.
func awaitDial(ts *testscript.TestScript, network, addr, log string) {
	for range 150 {
		if c, err := net.DialTimeout(network, addr, time.Second); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	text, _ := os.ReadFile(log)
	ts.Fatalf("nothing answers at %s:\n%s", addr, text)
}

// certifier vouches for certificates.
type certifier struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64
}

// newCertifier makes one, and ca.pem in the script's directory.
func newCertifier(ts *testscript.TestScript) *certifier {
	a := &certifier{}
	a.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = a.write(ts, "ca", a.cert)
	return a
}

// issue makes NAME.pem and NAME.key, for a server at an address or for a client.
func (a *certifier) issue(ts *testscript.TestScript, name string, at net.IP) {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if at != nil {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{at}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	a.write(ts, name, c)
}

func (a *certifier) write(ts *testscript.TestScript, name string, c *x509.Certificate) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	a.last++
	c.SerialNumber = big.NewInt(a.last)
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), signer)
	ts.Check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(block), 0o600))
	}
	return key
}
