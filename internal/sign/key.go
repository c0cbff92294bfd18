package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/vouch"
)

// OpenKey is a signer with the key in a file, or at NAME://REST. The password is
// that of an encrypted file.
func OpenKey(ctx context.Context, key, password string) (Signer, error) {
	if strings.Contains(key, "://") {
		return openKMS(ctx, key)
	}
	data, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	s, err := Key(data, password)
	if err != nil {
		return nil, fmt.Errorf("reading key %s: %w", key, err)
	}
	return s, nil
}

// Key is a signer with the key that a file would hold.
func Key(data []byte, password string) (Signer, error) {
	private, err := parseKey(data, password)
	if err != nil {
		return nil, err
	}
	return newKey(private)
}

func parseKey(data []byte, password string) (crypto.Signer, error) {
	const hint = "give a PEM file: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out twice.key` makes one, cosign generate-key-pair too"
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fault.Hint(errors.New("it is no PEM file"), hint)
	}
	var private any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
		var der []byte
		if der, err = encrypted.Decrypt(block.Bytes, []byte(password)); err != nil {
			return nil, fault.Hint(errors.New("the password does not open it"), "COSIGN_PASSWORD is the password of an encrypted key")
		}
		private, err = x509.ParsePKCS8PrivateKey(der)
	case "OPENSSH PRIVATE KEY":
		return nil, fault.Hint(errors.New("it is an SSH key"), "give it as --ssh-key")
	case "ENCRYPTED PRIVATE KEY":
		return nil, fault.Hint(errors.New("it is encrypted in a way that is not supported"), "`cosign import-key-pair` encrypts it in one that is; or decrypt it with openssl pkey")
	default:
		return nil, fault.Hint(fmt.Errorf("it holds a %.100q, no private key", block.Type), hint)
	}
	if err != nil { // the parser's words may quote the key
		return nil, fault.Hint(errors.New("its private key can't be read"), hint)
	}
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() { // those who check take SHA-256 for granted
			return nil, fault.Hint(fmt.Errorf("it is on curve %s, only P-256 is supported", k.Params().Name), hint)
		}
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	case *rsa.PrivateKey:
		return k, nil
	}
	return nil, fault.Hint(fmt.Errorf("keys of type %T are not supported", private), hint)
}

// keySigner signs with a key whose public half is known.
type keySigner struct {
	public        crypto.PublicKey
	own           vouch.Key
	details       signature.AlgorithmDetails
	deterministic bool
	sign          func(ctx context.Context, message []byte) ([]byte, error)
}

// newKey signs with a private key in memory.
func newKey(private crypto.Signer) (*keySigner, error) {
	k, err := newSigner(private.Public())
	if err != nil {
		return nil, err
	}
	k.deterministic = true
	k.sign = func(_ context.Context, message []byte) ([]byte, error) {
		hash := k.details.GetHashType()
		if hash == 0 {
			return private.Sign(nil, message, hash)
		}
		h := hash.New()
		h.Write(message)
		return private.Sign(nil, h.Sum(nil), hash) // without a source of randomness: RFC 6979
	}
	return k, nil
}

// openKMS signs with a key that a program has.
func openKMS(ctx context.Context, ref string) (*keySigner, error) {
	name, _, _ := strings.Cut(ref, "://")
	sv, err := kms.Get(ctx, ref, crypto.SHA256)
	var missing *kms.ProviderNotFoundError
	switch {
	case errors.As(err, &missing):
		return nil, fault.Hintf(fmt.Errorf("key %s: there is no program sigstore-kms-%s", ref, name),
			"put the Sigstore plugin for %s on the PATH; no key management service is built in", name)
	case err != nil:
		return nil, fmt.Errorf("key %s: %w", ref, err)
	}
	public, err := sv.PublicKey(options.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("key %s: asking for its public key: %w", ref, err)
	}
	k, err := newSigner(public)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", ref, err)
	}
	k.sign = func(ctx context.Context, message []byte) ([]byte, error) {
		sig, err := sv.SignMessage(bytes.NewReader(message), options.WithContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", ref, err)
		}
		return sig, nil
	}
	return k, nil
}

func newSigner(public crypto.PublicKey) (*keySigner, error) {
	text, err := cryptoutils.MarshalPublicKeyToPEM(public)
	if err != nil {
		return nil, err
	}
	k := &keySigner{public: public}
	if k.own, err = vouch.ParseKey(text); err != nil {
		return nil, err
	}
	k.details, err = signature.GetDefaultAlgorithmDetails(public)
	return k, err
}

func (k *keySigner) String() string      { return "key SHA256:" + k.own.Hash }
func (k *keySigner) Own() trust.Policy   { return trust.Policy{Keys: []vouch.Key{k.own}} }
func (k *keySigner) Deterministic() bool { return k.deterministic }

// PublicKey is what others need to check the signatures, in PEM.
func (k *keySigner) PublicKey() ([]byte, error) { return cryptoutils.MarshalPublicKeyToPEM(k.public) }

func (k *keySigner) Sign(ctx context.Context, statement []byte) ([]byte, error) {
	b, err := sign.Bundle(&sign.DSSEData{Data: statement, PayloadType: trust.PayloadType}, keypair{k}, sign.BundleOptions{Context: ctx})
	if err != nil {
		return nil, fmt.Errorf("signing with %s: %w", k, err)
	}
	return encode(b)
}

// keypair is a key as sigstore-go wants it.
type keypair struct{ k *keySigner }

func (p keypair) GetHashAlgorithm() protocommon.HashAlgorithm { return p.k.details.GetProtoHashType() }
func (p keypair) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return p.k.details.GetSignatureAlgorithm()
}
func (p keypair) GetHint() []byte                { return []byte(trust.Hint(p.k.own.Hash)) }
func (p keypair) GetKeyAlgorithm() string        { return "" } // Fulcio's business
func (p keypair) GetPublicKey() crypto.PublicKey { return p.k.public }
func (p keypair) GetPublicKeyPem() (string, error) {
	text, err := p.k.PublicKey()
	return string(text), err
}

func (p keypair) SignData(ctx context.Context, data []byte) ([]byte, []byte, error) {
	sig, err := p.k.sign(ctx, data)
	sum := sha256.Sum256(data)
	return sig, sum[:], err
}
