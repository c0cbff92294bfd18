package vouch

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	sigsig "github.com/sigstore/sigstore/pkg/signature"

	"github.com/craton-co/twice/internal/fault"
)

// vouching are the predicates whose statements vouch for an image.
var vouching = []string{"https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"}

// bundled is a Sigstore bundle.
type bundled struct{ *bundle.Bundle }

// parseBundle tells, too, whether the bundle vouches for anything.
func parseBundle(content []byte) (bundled, bool, error) {
	b := &bundle.Bundle{Bundle: &protobundle.Bundle{}}
	vouches := true
	err := Guard(func() error {
		if err := b.UnmarshalJSON(content); err != nil {
			return err
		}
		signed, err := b.SignatureContent()
		if err != nil {
			return err
		}
		if e := signed.EnvelopeContent(); e != nil {
			st, err := e.Statement()
			if err != nil {
				return err
			}
			vouches = slices.Contains(vouching, st.GetPredicateType())
		}
		_, err = b.VerificationContent()
		return err
	})
	return bundled{b}, vouches, err
}

func newBundle(pb *protobundle.Bundle) (b *bundle.Bundle, err error) {
	err = Guard(func() error {
		if b, err = bundle.NewBundle(pb); err == nil {
			_, err = b.VerificationContent()
		}
		return err
	})
	return b, err
}

// Guard makes an error of a panic. Bundles are strangers' input, and their
// readers reach through many pointers.
func Guard(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it is malformed")
		}
	}()
	return f()
}

func (b bundled) certified() bool {
	c, err := b.VerificationContent()
	return err == nil && c.Certificate() != nil
}

func (b bundled) byKey(k Key, d digest.Digest) error {
	sum, err := hex.DecodeString(d.Encoded())
	if err != nil {
		return err
	}
	material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(k, time.Time{}, time.Time{}), nil
	})
	return Guard(func() error {
		v, err := verify.NewVerifier(material, verify.WithNoObserverTimestamps())
		if err == nil {
			_, err = v.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", sum), verify.WithKey()))
		}
		return err
	})
}

func (b bundled) byCertificate(c *Instance, ids []Identity, d digest.Digest) (Identity, error) {
	sum, err := hex.DecodeString(d.Encoded())
	if err != nil {
		return Identity{}, err
	}
	return c.Verify(b, ids, verify.WithArtifactDigest("sha256", sum))
}

// Key is a public key.
type Key struct {
	sigsig.Verifier
	Hash string // SHA-256 of it (PKIX, DER), in hex
}

// ParseKey parses a public key in PEM.
func ParseKey(pem []byte) (Key, error) {
	bad := func(err error) (Key, error) {
		return Key{}, fault.Hint(fmt.Errorf("parsing public key: %w", err), `give a PEM file that begins with "-----BEGIN PUBLIC KEY-----", as cosign.pub does`)
	}
	pub, err := cryptoutils.UnmarshalPEMToPublicKey(pem)
	if err != nil {
		return bad(err)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return bad(err)
	}
	v, err := sigsig.LoadVerifier(pub, crypto.SHA256)
	if err != nil {
		return bad(err)
	}
	sum := sha256.Sum256(der)
	return Key{v, hex.EncodeToString(sum[:])}, nil
}

// Instance is a Sigstore instance.
type Instance struct {
	v  *verify.Verifier
	tr *root.TrustedRoot
}

// NewInstance parses a trusted_root.json.
func NewInstance(trustedRoot []byte) (*Instance, error) {
	var (
		v  *verify.Verifier
		tr *root.TrustedRoot
	)
	err := Guard(func() (err error) {
		tr, err = root.NewTrustedRootFromJSON(bytes.TrimSpace(trustedRoot))
		if err != nil {
			return err
		}
		if len(tr.FulcioCertificateAuthorities()) == 0 {
			return errors.New("it names no certificate authority")
		}
		options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
		if len(tr.RekorLogs()) > 0 {
			options = append(options, verify.WithTransparencyLog(1))
		}
		if len(tr.CTLogs()) > 0 {
			options = append(options, verify.WithSignedCertificateTimestamps(1))
		}
		v, err = verify.NewVerifier(tr, options...)
		return err
	})
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("parsing trusted root: %w", err), "give a trusted_root.json, as `cosign trusted-root create` writes it")
	}
	return &Instance{v, tr}, nil
}

// Verify checks a signature that was made with a certificate, and that it is
// one of ids'; where there is none, anybody's.
func (c *Instance) Verify(e verify.SignedEntity, ids []Identity, artifact verify.ArtifactPolicyOption) (id Identity, err error) {
	var options []verify.PolicyOption
	for _, want := range ids {
		exact, err := verify.NewShortCertificateIdentity(want.Issuer, "", want.Subject, "")
		if err != nil {
			return Identity{}, err
		}
		options = append(options, verify.WithCertificateIdentity(exact))
	}
	if len(ids) == 0 {
		options = append(options, verify.WithoutIdentitiesUnsafe())
	}
	err = Guard(func() error {
		result, err := c.v.Verify(e, verify.NewPolicy(artifact, options...))
		if err == nil {
			cert := result.Signature.Certificate
			id = Identity{Subject: cert.SubjectAlternativeName, Issuer: cert.Issuer}
		}
		if err == nil && (id.Subject == "" || id.Issuer == "") {
			err = errors.New("its certificate names nobody")
		}
		return err
	})
	return id, err
}

// Knows tells whether a certificate is one of the instance's, whatever was
// signed with it.
func (c *Instance) Knows(leaf *x509.Certificate) bool {
	err := Guard(func() error {
		_, err := verify.VerifyLeafCertificate(leaf.NotBefore, leaf, c.tr)
		return err
	})
	return err == nil
}
