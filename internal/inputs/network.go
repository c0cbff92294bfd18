package inputs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
)

// Network is what a call that has no settings and keeps no disk is told of the
// network. Proxies are the environment's.
type Network struct {
	Mirrors []string // KIND=URL each, see address.ParseMirrors
	CA      string   // certificates to trust besides the system's, as PEM; "": none
	// Warn is told of a mirror that can't be asked where its crates are.
	Warn func(error)
}

// Tools opens an empty store in dir and what fetches into it. Logins have to be
// lent before. The certificates are written to dir, and this process's
// environment names them from then on, for git too.
func (n Network) Tools(ctx context.Context, dir string) (tools resolve.Tools, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return tools, err
	}
	if n.CA != "" {
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(n.CA)) {
			return tools, fault.Hint(errors.New("what is to be trusted has no PEM certificate"), "give the certificate of your proxy or mirror, as a file that begins with -----BEGIN CERTIFICATE-----")
		}
		if err := give("TWICE_CA_FILE", filepath.Join(dir, "ca.pem"), n.CA); err != nil {
			return tools, err
		}
	}
	m, err := address.ParseMirrors(n.Mirrors)
	if err != nil {
		return tools, err
	}
	r, err := address.New(m, os.Getenv)
	if err != nil {
		return tools, err
	}
	pem, err := r.GitCertificates(os.Getenv)
	if err != nil {
		return tools, err
	}
	if pem != "" {
		if err := give("GIT_SSL_CAINFO", filepath.Join(dir, "git-ca.pem"), pem); err != nil {
			return tools, err
		}
	}
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		return tools, err
	}
	f := &fetch.Fetcher{Store: st, Client: r.HTTPClient()}
	if err := r.Discover(ctx, f.Get); err != nil {
		n.Warn(err)
	}
	return resolve.Tools{Store: st, Resolver: r, Fetcher: f}, nil
}

// give writes a file and names it in this process's environment.
func give(variable, file, text string) error {
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing certificates: %w", err)
	}
	return os.Setenv(variable, file)
}
