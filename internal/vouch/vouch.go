// Package vouch finds out who signed for a base image, when a lock is made.
//
// What is signed is the digest that a base image is named by. A signature is
// looked for in the image's repository, in these forms:
//
//   - cosign's simple signing: layers of the image tagged sha256-<hex>.sig, or
//     of a referrer of type application/vnd.dev.cosign.artifact.sig.v1+json
//   - Sigstore bundles: referrers of type application/vnd.dev.sigstore.bundle…
//     that hold a signature of the digest, or an in-toto statement about it,
//     whose predicate is cosign's signature or SLSA provenance. Other
//     statements (SBOMs, scans) vouch for nothing.
//
// A signature is made with a key, or with a certificate that a Sigstore
// instance gave to somebody it knew. The first is checked with public keys,
// with no network; its entry in a transparency log, if any, isn't looked at.
// The second is checked with the instance's trusted root, also offline: the
// certificate's chain and its entry in the certificate log (where the root
// names one), the signature's entry in the transparency log (where the root
// names one), and the identity.
//
// Who is expected to sign is what the options say, else what is known about
// the publisher (see Publishers). One good signature by any of them is enough.
// Where nobody is expected, any good certificate's identity is taken, and the
// result says so. A signature that was found and isn't good is an error, never
// the same as none.
package vouch

import (
	_ "embed"
	"errors"
	"strings"

	"github.com/craton-co/twice/internal/base"
)

// ErrUnsigned says that there is no signature. Inputs can be trusted on first use.
var ErrUnsigned = errors.New("no signature")

// ErrUnchecked says that there is a signature, and why it can't be checked
// here. Inputs can be trusted on first use.
var ErrUnchecked = errors.New("signature present, not checked")

// Signer is who signed: a key, or an identity with a certificate.
type Signer struct {
	Key             string // SHA-256 of the public key (PKIX, DER), in hex
	Subject, Issuer string // of the certificate
	Expected        bool   // whether it was known beforehand who should sign
}

func (s Signer) String() string {
	if s.Key != "" {
		return "key SHA256:" + s.Key
	}
	text := "subject " + s.Subject + " issued by " + s.Issuer
	if !s.Expected {
		text += ", whom nothing was known about before"
	}
	return text
}

// Identity is somebody whom an OpenID Connect issuer knows.
type Identity struct{ Subject, Issuer string }

func (i Identity) String() string { return i.Subject + " (" + i.Issuer + ")" }

// Publishers are those who are known to sign their images, by what the images'
// names begin with.
var Publishers = map[string]Identity{
	"gcr.io/distroless/": {Subject: "keyless@distroless.iam.gserviceaccount.com", Issuer: "https://accounts.google.com"},
}

// Options say whom to trust.
type Options struct {
	PublicKeys  [][]byte   // PEM
	Identities  []Identity // nobody, and no key: as Publishers has it
	TrustedRoot []byte     // a Sigstore instance's trusted_root.json; see SigstoreRoot

	Registry base.Options // how to reach the registry
}

// SigstoreRoot is the trusted root of the public Sigstore instance, as of what
// keys/README.md says.
//
//go:embed keys/sigstore-trusted-root.json
var SigstoreRoot []byte

func publisher(name string) []Identity {
	for prefix, id := range Publishers {
		if strings.HasPrefix(name, prefix) {
			return []Identity{id}
		}
	}
	return nil
}
