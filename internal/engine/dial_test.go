package engine

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"

	"github.com/craton-co/twice/internal/fault"
)

func TestMain(m *testing.M) {
	// As `docker` in TestDialContainer: joins its standard streams and the
	// engine, as `buildctl dial-stdio` does in the container.
	if sock := os.Getenv("TWICE_TEST_DIAL_STDIO"); sock != "" {
		c, err := net.Dial("unix", sock)
		if err != nil {
			os.Exit(1)
		}
		go func() {
			io.Copy(c, os.Stdin)
			c.(*net.UnixConn).CloseWrite()
		}()
		io.Copy(os.Stdout, c)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fake is a BuildKit that says what it is, and no more.
type fake struct {
	controlapi.UnimplementedControlServer
	arch string
	slow bool
}

func (f *fake) Info(ctx context.Context, _ *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	if f.slow {
		<-ctx.Done()
	}
	return &controlapi.InfoResponse{BuildkitVersion: &apitypes.BuildkitVersion{Version: "v9.9.9", Revision: "abc"}}, nil
}

func (f *fake) ListWorkers(context.Context, *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse, error) {
	return &controlapi.ListWorkersResponse{Record: []*apitypes.WorkerRecord{{
		Platforms: platformsOf(f.arch),
	}}}, nil
}

// platformsOf are those of a list with commas: what BuildKit says of a machine
// that has handlers for others.
func platformsOf(arch string) []*pb.Platform {
	var out []*pb.Platform
	for a := range strings.SplitSeq(arch, ",") {
		out = append(out, &pb.Platform{OS: "linux", Architecture: a})
	}
	return out
}

func serveFake(t *testing.T, l net.Listener, f *fake) {
	t.Helper()
	s := grpc.NewServer()
	controlapi.RegisterControlServer(s, f)
	go s.Serve(l)
	t.Cleanup(s.Stop)
}

func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dialOK(t *testing.T, addr string, tls TLS) {
	t.Helper()
	e, err := Dial(t.Context(), addr, tls)
	if err != nil {
		t.Fatalf("Dial(%q): %v", addr, err)
	}
	defer e.Close()
	i := e.Info()
	if i.Kind != "remote" || i.Address != addr || i.BuildKit != "v9.9.9" || i.Revision != "abc" || i.Contained {
		t.Errorf("Info = %+v", i)
	}
}

func TestDial(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	serveFake(t, listen(t, "unix", sock), &fake{arch: "amd64"})
	dialOK(t, "unix://"+sock, TLS{})
	l := listen(t, "tcp", "127.0.0.1:0")
	serveFake(t, l, &fake{arch: "amd64"})
	dialOK(t, "tcp://"+l.Addr().String(), TLS{})
}

// docker-container:// runs `docker exec -i NAME buildctl dial-stdio`.
func TestDialContainer(t *testing.T) {
	dir := t.TempDir()
	sock := filepath.Join(dir, "s")
	serveFake(t, listen(t, "unix", sock), &fake{arch: "amd64"})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n[ \"$*\" = 'exec -i some-name buildctl dial-stdio' ] || exit 1\nTWICE_TEST_DIAL_STDIO=" + sock + " exec " + self + "\n"
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	dialOK(t, "docker-container://some-name", TLS{})
}

func TestDialTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, dir)
	server := ca.issue(t, dir, "server")
	ca.issue(t, dir, "client")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	l := tls.NewListener(listen(t, "tcp", "127.0.0.1:0"), &tls.Config{
		Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"},
	})
	serveFake(t, l, &fake{arch: "amd64"})
	addr := "tcp://" + l.Addr().String()
	file := func(name string) string { return filepath.Join(dir, name) }
	dialOK(t, addr, TLS{CA: file("ca.pem"), Cert: file("client.pem"), Key: file("client.key")})
	for name, bad := range map[string]TLS{
		"plain":      {},
		"no client":  {CA: file("ca.pem")},
		"other CA":   {Cert: file("client.pem"), Key: file("client.key")},
		"other name": {CA: file("ca.pem"), Cert: file("client.pem"), Key: file("client.key"), ServerName: "somebody.else"},
	} {
		// follows: engine: is a buildkitd listening there, and does it want TLS?
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := Dial(ctx, addr, bad); !strings.Contains(fault.HintOf(err), "does it want TLS?") {
			t.Errorf("%s: %v; hint %q", name, err, fault.HintOf(err))
		}
		cancel()
	}
}

// An engine whose certificate is of another time: the clock may be what is wrong.
func TestDialClock(t *testing.T) {
	for name, shift := range map[string]time.Duration{"of the past": -48 * time.Hour, "of the future": 48 * time.Hour} {
		dir := t.TempDir()
		ca := newCA(t, dir)
		serve := func(shift time.Duration) string {
			l := tls.NewListener(listen(t, "tcp", "127.0.0.1:0"), &tls.Config{
				Certificates: []tls.Certificate{ca.issueAt(t, dir, "server", time.Now().Add(shift))}, NextProtos: []string{"h2"},
			})
			serveFake(t, l, &fake{arch: "amd64"})
			return "tcp://" + l.Addr().String()
		}
		// follows: engine: by this machine's clock the engine's certificate is not valid now
		began := time.Now()
		_, err := Dial(t.Context(), serve(shift), TLS{CA: filepath.Join(dir, "ca.pem")})
		if err == nil || !strings.Contains(err.Error(), "not yet valid: current time") || !strings.Contains(fault.HintOf(err), "set the clock right") {
			t.Errorf("%s: %v; hint %q", name, err, fault.HintOf(err))
		}
		if took := time.Since(began); took > dialTimeout/2 {
			t.Errorf("%s: it took %v to find out", name, took)
		}
		dialOK(t, serve(0), TLS{CA: filepath.Join(dir, "ca.pem")})
	}
}

func TestDialRefuses(t *testing.T) {
	arm := filepath.Join(t.TempDir(), "s")
	serveFake(t, listen(t, "unix", arm), &fake{arch: "arm64"})
	_, err := Dial(t.Context(), "unix://"+arm, TLS{})
	// follows: engine: it builds for %s, not for %s: its machine has no binfmt handler qemu-%s
	// What the hint asks for makes BuildKit list the platform.
	emulating := filepath.Join(t.TempDir(), "s")
	serveFake(t, listen(t, "unix", emulating), &fake{arch: "arm64,amd64"})
	dialOK(t, "unix://"+emulating, TLS{})
	if err == nil || !strings.Contains(err.Error(), "linux/arm64") || !strings.Contains(err.Error(), "no binfmt handler qemu-x86_64") || !strings.Contains(fault.HintOf(err), "binfmt --install amd64") {
		t.Errorf("an engine on another machine: %v", err)
	}
	slow := filepath.Join(t.TempDir(), "s")
	serveFake(t, listen(t, "unix", slow), &fake{arch: "amd64", slow: true})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, "unix://"+slow, TLS{}); err == nil {
		t.Error("Dial succeeded without an answer")
	}
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t *testing.T, dir string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", der)
	return &authority{cert, key}
}

func (a *authority) issue(t *testing.T, dir, name string) tls.Certificate {
	t.Helper()
	return a.issueAt(t, dir, name, time.Now())
}

// issueAt is issue at another time.
func (a *authority) issueAt(t *testing.T, dir, name string, now time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(dir, name+".key"), "PRIVATE KEY", pkcs8)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
