package address

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/craton-co/twice/internal/fault"
)

// HTTPClient returns a client with this machine's proxies and certificates.
// It gives up when a connection takes 10 s or an answer's header 30 s; how
// long a body may take is its reader's business. It speaks HTTP/2, and serves
// file addresses. Bodies come as they are, never decompressed.
func (r *Resolver) HTTPClient() *http.Client {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: r.roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   32,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
	}
	t.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	return &http.Client{Transport: t}
}

// certificates returns the system's certificates and those of a PEM file, or
// nil, which stands for the system's.
func certificates(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("reading certificates: %w", err), "correct TWICE_CA_FILE, or ca in the settings")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.Hint(fmt.Errorf("reading certificates: %s has no PEM certificate", file), "correct TWICE_CA_FILE, or ca in the settings")
	}
	return pool, nil
}
