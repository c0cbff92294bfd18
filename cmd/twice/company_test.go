package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// serve-company DIR [HOURS] is a company's network on loopback: a proxy that takes
// CONNECT and answers every TLS connection itself, with certificates of its own
// CA, as such proxies do. Behind it are
//
//	https://crates.company.test/index/   a sparse registry that wants the token t0ken
//	https://git.company.test/NAME.git    the bare repositories of DIR, for user:passw0rd
//	https://mirror.company.test/crates/  the crates once more, for user:passw0rd
//
// It sets PROXY, COMPANY_CA (a PEM file), and CRATE_SUM, the checksum of the one
// crate that there is, company-dep 1.0.0. With HOURS its certificates are valid so
// much later, or earlier: as by a clock that is wrong.
func cmdServeCompany(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: serve-company DIR [HOURS]")
	}
	crate := companyCrate(ts)
	ca, err := newAuthority()
	ts.Check(err)
	if len(args) == 2 {
		hours, err := strconv.Atoi(args[1])
		ts.Check(err)
		ca.shift = time.Duration(hours) * time.Hour
	}
	path, err := exec.Command("git", "--exec-path").Output()
	ts.Check(err)
	git := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env: []string{
			"PATH=" + os.Getenv("PATH"), "GIT_PROJECT_ROOT=" + ts.MkAbs(args[0]), "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		known := user == "user" && password == "passw0rd"
		switch {
		case r.Host == "crates.company.test" && r.Header.Get("Authorization") != "t0ken":
			http.Error(w, "", http.StatusUnauthorized)
		case r.Host == "crates.company.test" && r.URL.Path == "/index/config.json":
			io.WriteString(w, `{"dl":"https://crates.company.test/dl","auth-required":true}`)
		case r.Host == "crates.company.test" && r.URL.Path == "/dl/company-dep/1.0.0/download",
			r.Host == "mirror.company.test" && known && r.URL.Path == "/crates/company-dep/company-dep-1.0.0.crate":
			w.Write(crate)
		case r.Host == "git.company.test" && known:
			git.ServeHTTP(w, r)
		case r.Host == "git.company.test" || r.Host == "mirror.company.test" && !known:
			w.Header().Set("WWW-Authenticate", `Basic realm="company"`)
			http.Error(w, "", http.StatusUnauthorized)
		default:
			http.NotFound(w, r)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	go serveProxy(l, ca, handler)
	file := ts.MkAbs("company-ca.pem")
	ts.Check(os.WriteFile(file, ca.pem, 0o644))
	ts.Setenv("PROXY", "http://"+l.Addr().String())
	ts.Setenv("COMPANY_CA", file)
	ts.Setenv("CRATE_SUM", fmt.Sprintf("%x", sha256.Sum256(crate)))
}

// companyCrate is a real crate, always the same bytes.
func companyCrate(ts *testscript.TestScript) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range [][2]string{
		{"company-dep-1.0.0/Cargo.toml", "[package]\nname = \"company-dep\"\nversion = \"1.0.0\"\n"},
		{"company-dep-1.0.0/src/lib.rs", "pub fn answer(i: usize) -> u8 { [4, 2][i] }\n"},
	} {
		ts.Check(w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1])), ModTime: time.Unix(1153704088, 0)}))
		_, err := io.WriteString(w, f[1])
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(z.Close())
	return b.Bytes()
}

// serveProxy answers CONNECT for any host, and what is said then.
func serveProxy(l net.Listener, ca *authority, handler http.Handler) {
	inner := make(chan net.Conn)
	go http.Serve(&connListener{inner, l.Addr()}, handler) //nolint:errcheck // ends with the test
	config := &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.leaf(h.ServerName) }}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil || r.Method != http.MethodConnect {
				io.WriteString(c, "HTTP/1.1 405 Method Not Allowed\r\n\r\n")
				c.Close()
				return
			}
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
				c.Close()
				return
			}
			inner <- tls.Server(c, config)
		}()
	}
}

type connListener struct {
	conns chan net.Conn
	addr  net.Addr
}

func (l *connListener) Accept() (net.Conn, error) { return <-l.conns, nil }
func (l *connListener) Close() error              { return nil }
func (l *connListener) Addr() net.Addr            { return l.addr }

// authority is a CA that makes a certificate for whoever is asked for.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
	// shift is how much later its certificates are valid than it is.
	shift time.Duration

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "company"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{key: key, cert: cert, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), leaves: map[string]*tls.Certificate{}}, err
}

func (a *authority) leaf(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leaves[host]; c != nil {
		return c, nil
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(a.leaves)) + 2), DNSNames: []string{host}, NotBefore: a.cert.NotBefore.Add(a.shift), NotAfter: a.cert.NotAfter.Add(a.shift),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	a.leaves[host] = c
	return c, nil
}
