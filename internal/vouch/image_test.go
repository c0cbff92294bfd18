package vouch

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sigsig "github.com/sigstore/sigstore/pkg/signature"

	"github.com/craton-co/twice/internal/fault"
)

// payload is what cosign signs of an image.
func payload(d digest.Digest, kind string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"registry.test/team/app"},"image":{"docker-manifest-digest":%q},"type":%q},"optional":null}`, d, kind)
}

const cosignKind = "cosign container image signature"

// pair is a key pair.
type pair struct {
	sigsig.Signer
	pem  []byte
	hash string
}

func newPair(t *testing.T, private crypto.Signer) pair {
	t.Helper()
	s, err := sigsig.LoadSigner(private, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return pair{s, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), hex.EncodeToString(sum[:])}
}

func newECDSA(t *testing.T) pair {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newPair(t, k)
}

func (p pair) sign(t *testing.T, message []byte) []byte {
	t.Helper()
	sig, err := p.SignMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// byKey pushes a simple signature made with a key.
func (s *server) byKey(p pair, text []byte) ocispec.Descriptor {
	s.t.Helper()
	return s.blob(simpleSigning, text, map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(p.sign(s.t, text))})
}

func TestUnsigned(t *testing.T) {
	for _, referrers := range []bool{true, false} {
		s := newServer(t, referrers)
		if _, err := s.signer(Options{TrustedRoot: SigstoreRoot}); err != ErrUnsigned {
			t.Errorf("%v", err)
		}
		_, err := s.signer(Options{Identities: []Identity{{"a@example.test", "https://issuer.test"}}})
		if !errors.Is(err, ErrUnsigned) || !strings.Contains(err.Error(), "though a@example.test (https://issuer.test) signs") {
			t.Errorf("where somebody is expected: %v", err)
		}
	}
}

func TestKeys(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other := newECDSA(t)
	for name, p := range map[string]pair{"ecdsa": newECDSA(t), "ed25519": newPair(t, ed), "rsa": newPair(t, rsaKey)} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, true)
			s.simple(s.byKey(p, payload(s.image.Digest, cosignKind)))
			want := Signer{Key: p.hash, Expected: true}
			for _, keys := range [][][]byte{{p.pem}, {other.pem, p.pem}} {
				if got, err := s.signer(Options{PublicKeys: keys}); err != nil || got != want {
					t.Errorf("got %v, %v", got, err)
				}
			}
			if want.String() != "key SHA256:"+p.hash {
				t.Errorf("String = %s", want)
			}
			_, err := s.signer(Options{PublicKeys: [][]byte{other.pem}})
			bad(t, err, "didn't make it")
			_, err = s.signer(Options{TrustedRoot: SigstoreRoot})
			if !errors.Is(err, ErrUnchecked) || !strings.Contains(err.Error(), "made with a key, and none is given") {
				t.Errorf("without a key: %v", err)
			}
			_, err = s.signer(Options{TrustedRoot: SigstoreRoot, Identities: []Identity{{"a@example.test", "https://issuer.test"}}})
			bad(t, err, "it is signed, but not by a@example.test (https://issuer.test)")
		})
	}
}

// bad checks that an error is one that stops a lock.
func bad(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("no error, want %q", want)
	case errors.Is(err, ErrUnsigned) || errors.Is(err, ErrUnchecked):
		t.Errorf("%v: would be trusted", err)
	case !strings.Contains(err.Error(), want):
		t.Errorf("%v, want %q in it", err, want)
	case fault.HintOf(err) == "":
		t.Errorf("%v: no hint", err)
	}
}

func TestBadSimpleSignatures(t *testing.T) {
	p := newECDSA(t)
	for name, c := range map[string]struct {
		layer func(s *server) ocispec.Descriptor
		want  string
	}{
		"payload changed": {func(s *server) ocispec.Descriptor {
			text := payload(s.image.Digest, cosignKind)
			d := s.byKey(p, append(text, ' '))
			changed := s.blob(simpleSigning, text, nil)
			changed.Annotations = d.Annotations
			return changed
		}, "didn't make it"},
		"of another image": {func(s *server) ocispec.Descriptor {
			return s.byKey(p, payload(digest.FromString("other"), cosignKind))
		}, "it is of another image, " + digest.FromString("other").String()},
		"of another kind": {func(s *server) ocispec.Descriptor {
			return s.byKey(p, payload(s.image.Digest, "a compliment"))
		}, `what it signs is a "a compliment"`},
		"not JSON": {func(s *server) ocispec.Descriptor { return s.byKey(p, []byte("fine")) }, "malformed"},
		"no signature": {func(s *server) ocispec.Descriptor {
			return s.blob(simpleSigning, payload(s.image.Digest, cosignKind), nil)
		}, "no base64"},
		"bad certificate": {func(s *server) ocispec.Descriptor {
			d := s.byKey(p, payload(s.image.Digest, cosignKind))
			d.Annotations[annotationCertificate] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
			return d
		}, "x509"},
		"bad log entry": {func(s *server) ocispec.Descriptor {
			d := s.byKey(p, payload(s.image.Digest, cosignKind))
			d.Annotations[annotationCertificate] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
			d.Annotations[annotationLog] = `{"Payload": {"body": 3}}`
			return d
		}, "its log entry"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, true)
			s.simple(c.layer(s))
			_, err := s.signer(Options{PublicKeys: [][]byte{p.pem}})
			bad(t, err, c.want)
			// Another party's good signature is enough.
			good := newECDSA(t)
			s.simple(c.layer(s), s.byKey(good, payload(s.image.Digest, cosignKind)))
			if got, err := s.signer(Options{PublicKeys: [][]byte{good.pem}}); err != nil || got.Key != good.hash {
				t.Errorf("beside a good one: %v, %v", got, err)
			}
		})
	}
}

// Who is known to sign is expected to, unless the user says otherwise.
func TestPublishers(t *testing.T) {
	for name, want := range map[string]string{
		"gcr.io/distroless/cc-debian12:nonroot": "keyless@distroless.iam.gserviceaccount.com (https://accounts.google.com)",
		"gcr.io/distrolessness/x":               "",
		"registry.test/gcr.io/distroless/x":     "",
	} {
		p, err := newPolicy(name, Options{})
		if err != nil || p.who() != want {
			t.Errorf("%s: %q, %v", name, p.who(), err)
		}
	}
	p, err := newPolicy("gcr.io/distroless/static", Options{Identities: []Identity{alice}})
	if err != nil || p.who() != alice.String() {
		t.Errorf("%q, %v", p.who(), err)
	}
}

// Without a referrers API an index stands in for it.
func TestReferrersTag(t *testing.T) {
	v := newVirtual(t)
	s := newServer(t, false)
	b := s.blob(sigstoreBundle+".v0.3+json", v.bundle(alice, statement(s.image.Digest, vouching[0])), nil)
	ix := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{s.refer(sigstoreBundle+".v0.3+json", b)}}
	ix.SchemaVersion = 2
	s.push("sha256-"+s.image.Digest.Encoded(), ix)
	if got, err := s.signer(Options{TrustedRoot: v.root}); err != nil || got.Subject != alice.Subject {
		t.Errorf("got %v, %v", got, err)
	}
}

// Statements that say nothing of who made the image vouch for nothing, good or bad.
func TestOtherStatements(t *testing.T) {
	v := newVirtual(t)
	s := newServer(t, true)
	for _, d := range []digest.Digest{s.image.Digest, digest.FromString("other")} {
		s.refer(sigstoreBundle+".v0.3+json", s.blob(sigstoreBundle+".v0.3+json", v.bundle(mallory, statement(d, "https://spdx.dev/Document")), nil))
	}
	s.refer("application/vnd.example.report", s.blob("text/plain", []byte("all is well"), nil))
	if _, err := s.signer(Options{TrustedRoot: v.root}); err != ErrUnsigned {
		t.Errorf("%v", err)
	}
}

func TestKeyBundle(t *testing.T) {
	p, other := newECDSA(t), newECDSA(t)
	pae := func(text []byte) []byte {
		return fmt.Appendf(nil, "DSSEv1 28 application/vnd.in-toto+json %d %s", len(text), text)
	}
	material := &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: "x"}}}
	push := func(d digest.Digest, tamper bool) *server {
		s := newServer(t, true)
		if d == "" {
			d = s.image.Digest
		}
		text := statement(d, vouching[0])
		sig := p.sign(t, pae(text))
		if tamper {
			text = append(text, ' ')
		}
		s.refer(sigstoreBundle+".v0.3+json", s.blob(sigstoreBundle+".v0.3+json", marshal(t, material, text, sig), nil))
		return s
	}
	if got, err := push("", false).signer(Options{PublicKeys: [][]byte{other.pem, p.pem}}); err != nil || got != (Signer{Key: p.hash, Expected: true}) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err := push("", false).signer(Options{PublicKeys: [][]byte{other.pem}})
	bad(t, err, "its signature is bad")
	_, err = push("", true).signer(Options{PublicKeys: [][]byte{p.pem}})
	bad(t, err, "its signature is bad")
	_, err = push(digest.FromString("other"), false).signer(Options{PublicKeys: [][]byte{p.pem}})
	bad(t, err, "its signature is bad")
	_, err = push("", false).signer(Options{TrustedRoot: SigstoreRoot})
	if !errors.Is(err, ErrUnchecked) {
		t.Errorf("without a key: %v", err)
	}
}

func TestTooMany(t *testing.T) {
	s := newServer(t, true)
	p := newECDSA(t)
	d := s.byKey(p, payload(s.image.Digest, cosignKind))
	many := make([]ocispec.Descriptor, maxSignatures+1)
	for i := range many {
		many[i] = d
	}
	s.simple(many...)
	_, err := s.signer(Options{PublicKeys: [][]byte{p.pem}})
	if err == nil || errors.Is(err, ErrUnsigned) || !strings.Contains(err.Error(), "more than 50 signatures") {
		t.Errorf("%v", err)
	}
	d.Size = maxPayload + 1
	s.simple(d)
	_, err = s.signer(Options{PublicKeys: [][]byte{p.pem}})
	if err == nil || !strings.Contains(err.Error(), "more than 1048576") {
		t.Errorf("%v", err)
	}
}

// A registry that fails is not one without signatures.
func TestUnreachable(t *testing.T) {
	s := newServer(t, true)
	text := payload(s.image.Digest, cosignKind)
	d := s.byKey(newECDSA(t), text)
	d.Digest = digest.FromString("not pushed")
	s.simple(d)
	_, err := s.signer(Options{})
	if err == nil || errors.Is(err, ErrUnsigned) || errors.Is(err, ErrUnchecked) {
		t.Errorf("a signature that is lost: %v", err)
	}
	s.url = "http://127.0.0.1:1"
	_, err = s.signer(Options{})
	if err == nil || errors.Is(err, ErrUnsigned) || errors.Is(err, ErrUnchecked) {
		t.Errorf("no registry: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	s := newServer(t, true)
	for _, opt := range []Options{
		{PublicKeys: [][]byte{[]byte("key")}},
		{PublicKeys: [][]byte{nil}},
		{TrustedRoot: []byte("{}")},
		{TrustedRoot: []byte("root")},
		{TrustedRoot: []byte(`{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`)},
	} {
		if _, err := s.signer(opt); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s%s: %v", opt.PublicKeys, opt.TrustedRoot, err)
		}
	}
	if _, err := NewInstance(SigstoreRoot); err != nil {
		t.Error(err)
	}
}
