// Package sign signs in-toto statements: with a key, an SSH key, or an identity
// that an OpenID Connect issuer vouches for.
//
// The statement stays as it is, byte for byte; the signature is apart, in a
// Sigstore bundle (version 0.3) that holds both, in a DSSE envelope. Package
// trust says what is signed and checks it.
//
// # Key
//
// A file with an ECDSA, Ed25519 or RSA key: PEM of PKCS #8, of SEC 1 or PKCS #1, or
// what `cosign generate-key-pair` writes, whose password is in COSIGN_PASSWORD.
// No network is needed. Signatures are deterministic (ECDSA's after RFC 6979):
// the same statement and the same key are the same bundle.
//
// NAME://REST is a key in a key management service. The program
// sigstore-kms-NAME on the PATH signs with it, by Sigstore's plugin protocol,
// which cosign speaks too. No such service is built in.
//
// # SSH
//
// A file with an OpenSSH private key, or the public one of a key that the agent
// of SSH_AUTH_SOCK has. What is signed is what `ssh-keygen -Y sign` would.
//
// # Keyless
//
// A Sigstore instance: its certificate authority (Fulcio) certifies a key that is
// made for one signature and forgotten, its transparency log (Rekor) says when,
// or a timestamp authority does (Rekor's second version tells no time).
// Both hear the identity, and publish it. The identity token is, in this order,
// SIGSTORE_ID_TOKEN (GitLab's id_tokens), or what GitHub hands out to a job with
// permission id-token: write.
//
// No key, password or token is in an error.
package sign

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/craton-co/twice/internal/trust"
)

// Signer signs as one identity.
type Signer interface {
	// Sign signs a statement and returns a bundle.
	Sign(ctx context.Context, statement []byte) ([]byte, error)
	// Signed is the statement of a bundle that this signer made, and that is about
	// subject.
	Signed(bundle []byte, subject digest.Digest) ([]byte, error)
	// String says who it is: "key SHA256:…".
	fmt.Stringer
	// Own is the policy that trusts this signer alone.
	Own() trust.Policy
	// Deterministic tells whether the same statement is the same bundle.
	Deterministic() bool
}

// signed checks a bundle with a signer's own policy.
func signed(own trust.Policy, bundle []byte, subject digest.Digest) ([]byte, error) {
	s, err := own.Verify(bundle, subject)
	if err != nil {
		return nil, err
	}
	return s.Statement, nil
}

func (k *keySigner) Signed(b []byte, subject digest.Digest) ([]byte, error) {
	return signed(k.Own(), b, subject)
}

func (s *sshSigner) Signed(b []byte, subject digest.Digest) ([]byte, error) {
	return signed(s.Own(), b, subject)
}

func (k *keyless) Signed(b []byte, subject digest.Digest) ([]byte, error) {
	return signed(k.Own(), b, subject)
}

// encode is the bundle's one form: protojson varies its spaces on purpose.
func encode(b *protobundle.Bundle) ([]byte, error) {
	loose, err := protojson.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encoding the bundle: %w", err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, loose); err != nil {
		return nil, fmt.Errorf("encoding the bundle: %w", err)
	}
	return out.Bytes(), nil
}
