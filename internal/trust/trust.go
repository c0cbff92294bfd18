// Package trust tells who signed a statement, and whether it is somebody who is
// trusted.
//
// # What is read
//
// A Sigstore bundle, version 0.3, of a DSSE envelope with one signature, whose
// payload is an in-toto statement (application/vnd.in-toto+json). What is signed
// is DSSE's pre-authentication encoding, so that the payload's type is signed too.
//
//   - Key: the bundle names a public key; its signature is ECDSA's, Ed25519's or
//     RSA's. Checked with the public key and nothing else.
//   - Keyless: the bundle has a certificate that a Sigstore instance gave to
//     somebody whom an OpenID Connect issuer knew. Checked with the instance's
//     trusted root: the certificate's chain and its entry in the certificate log,
//     the signature's entry in the transparency log, its time.
//   - SSH: the signature is the text that `ssh-keygen -Y sign` writes, of
//     namespace Namespace. Checked with a file of allowed signers (ssh-keygen(1)).
//
// None of them needs a network.
//
// # What is said
//
// A signature by somebody else says nothing, good or bad: anybody can attach
// one (ErrUntrusted). One that names a trusted key, or that a trusted instance
// certified, and isn't good, was forged or damaged (ErrBad).
package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/vouch"
)

// PayloadType is that of an in-toto statement in an envelope.
const PayloadType = "application/vnd.in-toto+json"

// Namespace is what SSH signatures are made for: an agent that signs mails or
// commits makes none of these.
const Namespace = "twice@craton-co.github.com"

// MaxBundle is the size in bytes above which no bundle is read.
const MaxBundle = 32 << 20

// Errors of Verify.
var (
	ErrUntrusted = errors.New("it is signed, but by nobody who is trusted")
	ErrBad       = errors.New("its signature is bad")
)

// Kind is how somebody signs.
type Kind string

// The kinds.
const (
	Key     Kind = "key"
	Keyless Kind = "keyless"
	SSH     Kind = "ssh"
)

// Identity is who signed.
type Identity struct {
	Kind Kind `json:"kind"`
	// Name is what the identity is called: of Keyless the certificate's subject,
	// of SSH the principals of the allowed signer; of Key nothing.
	Name string `json:"name,omitempty"`
	// Issuer is the OpenID Connect issuer that knew the subject.
	Issuer string `json:"issuer,omitempty"`
	// Fingerprint is that of the key: "SHA256:" and hex of a Key (of its PKIX,
	// DER), what ssh-keygen -l prints of an SSH key.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// ID is the same for the same identity, and for no other: names are labels, keys
// and certified subjects are not.
func (i Identity) ID() string {
	if i.Kind == Keyless {
		return string(i.Kind) + " " + i.Issuer + " " + i.Name
	}
	return string(i.Kind) + " " + i.Fingerprint
}

func (i Identity) String() string {
	switch i.Kind {
	case Keyless:
		return i.Name + " (" + i.Issuer + ")"
	case SSH:
		if i.Name == "" {
			return "SSH key " + i.Fingerprint
		}
		return i.Name + " (SSH key " + i.Fingerprint + ")"
	}
	return "key " + i.Fingerprint
}

// Policy is whom to trust. The zero Policy trusts nobody.
type Policy struct {
	Keys []vouch.Key
	SSH  []AllowedSigner
	// Instance certifies identities; nil: nobody is trusted without a key.
	Instance *vouch.Instance
	// Identities are those who are trusted of the ones that Instance certified.
	Identities []vouch.Identity
	// Certified says that all of them are: for those who want to know who signed
	// before they decide.
	Certified bool
}

// Empty tells whether nobody is trusted.
func (p Policy) Empty() bool {
	return len(p.Keys)+len(p.SSH) == 0 && (p.Instance == nil || len(p.Identities) == 0 && !p.Certified)
}

// Signed is a statement with who signed it.
type Signed struct {
	Identity  Identity
	Statement []byte // the payload, byte for byte
	Predicate string // its predicate type
	Subjects  []digest.Digest
}

// Verify checks a bundle. The statement must be about subject, if that isn't
// empty. Errors wrap ErrUntrusted or ErrBad, or say that it is no such bundle.
func (p Policy) Verify(bundle []byte, subject digest.Digest) (*Signed, error) {
	e, err := parse(bundle)
	if err != nil {
		return nil, err
	}
	s, err := parseStatement(e.payload)
	if err != nil {
		return nil, err
	}
	if s.Identity, err = p.signer(e); err != nil {
		return nil, err
	}
	if subject != "" && !s.About(subject) {
		return nil, fmt.Errorf("%w: the statement is not about %s", ErrBad, subject)
	}
	return s, nil
}

// About tells whether the statement has a subject with that digest.
func (s *Signed) About(d digest.Digest) bool {
	for _, x := range s.Subjects {
		if x == d {
			return true
		}
	}
	return false
}

// Read is the statement of a bundle whose signature is not looked at.
func Read(bundle []byte) (*Signed, error) {
	e, err := parse(bundle)
	if err != nil {
		return nil, err
	}
	return parseStatement(e.payload)
}

func (p Policy) signer(e *envelope) (Identity, error) {
	switch {
	case e.certified():
		return p.certified(e)
	case bytes.HasPrefix(e.signature, []byte(sshArmor)):
		return p.ssh(e)
	}
	return p.key(e)
}

// key finds the key that made a signature. The bundle's hint says which it
// should be; whoever wrote it may have lied.
func (p Policy) key(e *envelope) (Identity, error) {
	named := false
	for _, k := range p.Keys {
		named = named || e.hint == Hint(k.Hash) || e.hint == k.Hash
		if k.VerifySignature(bytes.NewReader(e.signature), bytes.NewReader(e.signed())) == nil {
			return Identity{Kind: Key, Fingerprint: "SHA256:" + k.Hash}, nil
		}
	}
	if named {
		return Identity{}, fmt.Errorf("%w: it names key %s, which didn't make it", ErrBad, e.hint)
	}
	return Identity{}, fmt.Errorf("%w: its key is %.100s", ErrUntrusted, e.hint)
}

// Hint is how a bundle names a key of which the SHA-256 is known in hex: the
// same in base64, as cosign has it.
func Hint(hash string) string {
	b, err := hex.DecodeString(hash)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(b)
}

// parseStatement reads what matters of a statement.
func parseStatement(payload []byte) (*Signed, error) {
	var s struct {
		Type      string `json:"_type"`
		Predicate string `json:"predicateType"`
		Subject   []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		return nil, fmt.Errorf("the bundle's payload is no statement: %w", err)
	}
	if !strings.HasPrefix(s.Type, "https://in-toto.io/Statement/") {
		return nil, fmt.Errorf("the bundle's payload is a %.100q, no in-toto statement", s.Type)
	}
	signed := &Signed{Statement: payload, Predicate: s.Predicate}
	for _, sub := range s.Subject {
		if d := digest.NewDigestFromEncoded(digest.SHA256, sub.Digest["sha256"]); d.Validate() == nil {
			signed.Subjects = append(signed.Subjects, d)
		}
	}
	return signed, nil
}
