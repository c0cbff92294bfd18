package sign

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/vouch"
)

// Instance is a Sigstore instance that signs.
type Instance struct {
	Fulcio, Rekor string // base URLs
	RekorVersion  uint32 // of its API: 1 (also 0), or 2, which tells no time
	Timestamp     string // URL of an authority that does (RFC 3161); "": Rekor's time
	TrustedRoot   []byte // its trusted_root.json: what it says is checked at once
}

// ParseInstance reads a Sigstore instance's signing_config.json: the newest of
// its services that are valid now.
func ParseInstance(signingConfig, trustedRoot []byte) (Instance, error) {
	in := Instance{TrustedRoot: trustedRoot}
	err := func() error {
		c, err := root.NewSigningConfigFromJSON(signingConfig)
		if err != nil {
			return err
		}
		now := time.Now()
		fulcio, err := root.SelectService(c.FulcioCertificateAuthorityURLs(), sign.FulcioAPIVersions, now)
		if err != nil {
			return fmt.Errorf("its certificate authority: %w", err)
		}
		rekor, err := root.SelectService(c.RekorLogURLs(), sign.RekorAPIVersions, now)
		if err != nil {
			return fmt.Errorf("its transparency log: %w", err)
		}
		in.Fulcio, in.Rekor, in.RekorVersion = fulcio.URL, rekor.URL, rekor.MajorAPIVersion
		if len(c.TimestampAuthorityURLs()) == 0 && in.RekorVersion == 1 {
			return nil
		}
		tsa, err := root.SelectService(c.TimestampAuthorityURLs(), sign.TimestampAuthorityAPIVersions, now)
		if err != nil {
			return fmt.Errorf("its timestamp authority: %w", err)
		}
		in.Timestamp = tsa.URL
		return nil
	}()
	if err != nil {
		return in, fault.Hint(fmt.Errorf("parsing the signing config: %w", err), "give a signing_config.json, as `cosign signing-config create` writes it")
	}
	return in, nil
}

// Keyless is a signer as whom an identity token names.
func Keyless(in Instance, token string) (Signer, error) {
	subject, issuer, err := claims(token)
	if err != nil {
		return nil, err
	}
	k := &keyless{in: in, token: token, who: trust.Identity{Kind: trust.Keyless, Name: subject, Issuer: issuer}}
	if k.root, err = vouch.NewInstance(in.TrustedRoot); err != nil {
		return nil, err
	}
	return k, nil
}

type keyless struct {
	in    Instance
	token string
	who   trust.Identity // as the token has it: the certificate's subject is another for some issuers
	root  *vouch.Instance
}

func (k *keyless) String() string      { return k.who.String() }
func (k *keyless) Deterministic() bool { return false }
func (k *keyless) Own() trust.Policy {
	return trust.Policy{Instance: k.root, Identities: []vouch.Identity{{Subject: k.who.Name, Issuer: k.who.Issuer}}}
}

func (k *keyless) Sign(ctx context.Context, statement []byte) ([]byte, error) {
	b, err := k.sign(ctx, statement)
	if err != nil {
		return nil, fault.Hintf(fmt.Errorf("signing as %s: %s", k, k.fit(err)), "does %s know the issuer, and can it and %s be reached? A token is good for minutes only", k.in.Fulcio, k.in.Rekor)
	}
	signed, err := trust.Policy{Instance: k.root, Certified: true}.Verify(b, "")
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("signing as %s: what %s and %s gave is not what the trusted root says: %w", k, k.in.Fulcio, k.in.Rekor, err),
			"give the instance's own trusted_root.json")
	}
	k.who = signed.Identity
	return b, nil
}

func (k *keyless) sign(ctx context.Context, statement []byte) ([]byte, error) {
	pair, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return nil, err
	}
	opt := sign.BundleOptions{
		Context:                    ctx,
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: k.in.Fulcio, Retries: 2, Transport: bound{ctx, http.DefaultTransport}}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: k.token},
		TransparencyLogs:           []sign.Transparency{sign.NewRekor(&sign.RekorOptions{BaseURL: k.in.Rekor, Retries: 2, Version: k.in.RekorVersion})},
	}
	if k.in.Timestamp != "" {
		opt.TimestampAuthorities = []*sign.TimestampAuthority{sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{
			URL: k.in.Timestamp, Retries: 2, Transport: bound{ctx, http.DefaultTransport},
		})}
	}
	b, err := sign.Bundle(&sign.DSSEData{Data: statement, PayloadType: trust.PayloadType}, pair, opt)
	if err != nil {
		return nil, err
	}
	return encode(b)
}

// fit is one line of an error, without the token.
func (k *keyless) fit(err error) string {
	line, _, _ := strings.Cut(strings.ReplaceAll(err.Error(), k.token, "…"), "\n")
	if len(line) > 300 {
		line = line[:300] + "…"
	}
	return line
}

// bound ends its requests with a context.
type bound struct {
	ctx context.Context
	http.RoundTripper
}

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.RoundTripper.RoundTrip(r.WithContext(b.ctx))
}

// ErrNoIdentity says that no identity token is at hand.
var ErrNoIdentity = errors.New("there is no identity token")
