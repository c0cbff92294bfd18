package address

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/craton-co/twice/internal/fault"
)

// HTTPClient returns a client with this machine's proxies and certificates.
// It gives up when a connection takes 10 s or an answer's header 30 s; how
// long a body may take is its reader's business. It speaks HTTP/2, and serves
// file addresses. Bodies come as they are, never decompressed.
func (r *Resolver) HTTPClient() *http.Client {
	t := &http.Transport{
		Proxy:                 r.proxy,
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
	return &http.Client{Transport: &loginTransport{t, &r.logins}}
}

// proxy is the environment's, else cargo's.
func (r *Resolver) proxy(req *http.Request) (*url.URL, error) {
	p, err := http.ProxyFromEnvironment(req)
	if p != nil || err != nil || r.cargo == nil || r.cargo.HTTP.Proxy == "" {
		return p, err
	}
	c := httpproxy.Config{HTTPProxy: r.cargo.HTTP.Proxy, HTTPSProxy: r.cargo.HTTP.Proxy, NoProxy: httpproxy.FromEnvironment().NoProxy}
	return c.ProxyFunc()(req.URL)
}

// authorities are the files of certificates to trust besides the system's.
func authorities(s Settings, c *cargoHome, env func(string) string) []authority {
	return []authority{
		{s.CA, "TWICE_CA_FILE, or ca in the settings"},
		{c.HTTP.CAInfo, "CARGO_HTTP_CAINFO, or http.cainfo in cargo's configuration"},
		{env("CURL_CA_BUNDLE"), "CURL_CA_BUNDLE"},
	}
}

// authority is a PEM file, or "", and the setting that names it.
type authority struct{ file, from string }

// certificates returns the system's certificates and those of PEM files, or
// nil, which stands for the system's.
func certificates(files []authority) (*x509.CertPool, error) {
	var pool *x509.CertPool
	for _, a := range files {
		if a.file == "" {
			continue
		}
		pem, err := os.ReadFile(a.file)
		if err != nil {
			return nil, fault.Hint(fmt.Errorf("reading certificates: %w", err), "correct "+a.from)
		}
		if pool == nil {
			if pool, err = x509.SystemCertPool(); err != nil {
				return nil, fmt.Errorf("reading certificates: %w", err)
			}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fault.Hint(fmt.Errorf("reading certificates: %s has no PEM certificate", a.file), "correct "+a.from)
		}
	}
	return pool, nil
}

// systemBundles are where systems keep all their certificates in one file.
var systemBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// GitCertificates are the certificates that git should trust, as one PEM text:
// its only setting takes the place of the system's. It is "" where nothing is
// to be added, or git has a setting of its own (GIT_SSL_CAINFO).
func (r *Resolver) GitCertificates(env func(string) string) (string, error) {
	if env("GIT_SSL_CAINFO") != "" {
		return "", nil
	}
	s, err := ReadSettings(env)
	if err != nil {
		return "", err
	}
	system := systemBundles
	all := authorities(s, r.cargo, env)
	if f := env("SSL_CERT_FILE"); f != "" {
		all, system = append(all, authority{f, "SSL_CERT_FILE"}), nil
	}
	var text []byte
	for _, a := range all {
		if a.file == "" {
			continue
		}
		pem, err := os.ReadFile(a.file)
		if err != nil {
			return "", fault.Hint(fmt.Errorf("reading certificates: %w", err), "correct "+a.from)
		}
		text = append(append(text, pem...), '\n')
	}
	if text == nil {
		return "", nil
	}
	for _, name := range system {
		if pem, err := os.ReadFile(name); err == nil {
			return string(append(pem, text...)), nil
		}
	}
	return string(text), nil
}
