package vouch

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"google.golang.org/protobuf/encoding/protojson"
)

// virtual is a Sigstore instance of the test's own.
type virtual struct {
	*ca.VirtualSigstore
	t    *testing.T
	root []byte
}

func newVirtual(t *testing.T) virtual {
	t.Helper()
	vs, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	logs := map[string]*root.TransparencyLog{}
	for id, l := range vs.RekorLogs() {
		if l.ID, err = hex.DecodeString(id); err != nil {
			t.Fatal(err)
		}
		logs[id] = l
	}
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01, vs.FulcioCertificateAuthorities(), nil, vs.TimestampingAuthorities(), logs)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tr.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return virtual{vs, t, b}
}

// promise is the log's signature of an entry.
func (v virtual) promise(e *protorekor.TransparencyLogEntry) []byte {
	v.t.Helper()
	set, err := v.RekorSignPayload(tlog.RekorPayload{
		Body: base64.StdEncoding.EncodeToString(e.CanonicalizedBody), IntegratedTime: e.IntegratedTime, LogIndex: e.LogIndex, LogID: hex.EncodeToString(e.LogId.KeyId),
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return set
}

// parts takes an entity apart.
func (v virtual) parts(e *ca.TestEntity) (cert *x509.Certificate, signed verify.SignatureContent, entry *protorekor.TransparencyLogEntry) {
	v.t.Helper()
	content, err := e.VerificationContent()
	if err != nil {
		v.t.Fatal(err)
	}
	if signed, err = e.SignatureContent(); err != nil {
		v.t.Fatal(err)
	}
	entries, err := e.TlogEntries()
	if err != nil {
		v.t.Fatal(err)
	}
	return content.Certificate(), signed, entries[0].TransparencyLogEntry()
}

// annotations are what cosign notes of a signature made with a certificate.
func (v virtual) annotations(id Identity, text []byte) map[string]string {
	v.t.Helper()
	e, err := v.Sign(id.Subject, id.Issuer, text)
	if err != nil {
		v.t.Fatal(err)
	}
	cert, signed, entry := v.parts(e)
	certificate, err := cryptoutils.MarshalCertificateToPEM(cert)
	if err != nil {
		v.t.Fatal(err)
	}
	log, err := json.Marshal(map[string]any{
		"SignedEntryTimestamp": v.promise(entry),
		"Payload": map[string]any{
			"body": entry.CanonicalizedBody, "integratedTime": entry.IntegratedTime, "logIndex": entry.LogIndex, "logID": hex.EncodeToString(entry.LogId.KeyId),
		},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return map[string]string{
		annotationSignature:   base64.StdEncoding.EncodeToString(signed.Signature()),
		annotationCertificate: string(certificate),
		annotationLog:         string(log),
	}
}

// bundle is a bundle of a statement about an image.
func (v virtual) bundle(id Identity, statement []byte) []byte {
	v.t.Helper()
	e, err := v.AttestAtTime(id.Subject, id.Issuer, statement, time.Now().Add(5*time.Minute), true)
	if err != nil {
		v.t.Fatal(err)
	}
	cert, signed, entry := v.parts(e)
	entry.KindVersion = &protorekor.KindVersion{Kind: "dsse", Version: "0.0.1"}
	entry.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: v.promise(entry)}
	return marshal(v.t, &protobundle.VerificationMaterial{
		Content:     &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: cert.Raw}},
		TlogEntries: []*protorekor.TransparencyLogEntry{entry},
	}, statement, signed.Signature())
}

func marshal(t *testing.T, material *protobundle.VerificationMaterial, statement, sig []byte) []byte {
	t.Helper()
	b, err := protojson.Marshal(&protobundle.Bundle{
		MediaType:            sigstoreBundle + ".v0.3+json",
		VerificationMaterial: material,
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: statement, PayloadType: "application/vnd.in-toto+json", Signatures: []*protodsse.Signature{{Sig: sig}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func statement(d digest.Digest, predicate string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"","digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`, d.Encoded(), predicate)
}

var (
	alice   = Identity{"alice@example.test", "https://issuer.test"}
	mallory = Identity{"mallory@example.test", "https://issuer.test"}
)

// forms are the ways to push a signature made with a certificate.
var forms = map[string]func(s *server, v virtual, id Identity, d digest.Digest){
	"simple": func(s *server, v virtual, id Identity, d digest.Digest) {
		text := payload(d, cosignKind)
		s.simple(s.blob(simpleSigning, text, v.annotations(id, text)))
	},
	"simple referrer": func(s *server, v virtual, id Identity, d digest.Digest) {
		text := payload(d, cosignKind)
		s.refer(cosignArtifact, s.blob(simpleSigning, text, v.annotations(id, text)))
	},
	"bundle": func(s *server, v virtual, id Identity, d digest.Digest) {
		s.refer(sigstoreBundle+".v0.3+json", s.blob(sigstoreBundle+".v0.3+json", v.bundle(id, statement(d, vouching[0])), nil))
	},
	"provenance": func(s *server, v virtual, id Identity, d digest.Digest) {
		s.refer(sigstoreBundle+".v0.3+json", s.blob(sigstoreBundle+".v0.3+json", v.bundle(id, statement(d, vouching[1])), nil))
	},
}

func TestCertificates(t *testing.T) {
	v, other := newVirtual(t), newVirtual(t)
	key := newECDSA(t)
	for name, push := range forms {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, true)
			push(s, v, alice, s.image.Digest)

			got, err := s.signer(Options{TrustedRoot: v.root, Identities: []Identity{mallory, alice}})
			if want := (Signer{Subject: alice.Subject, Issuer: alice.Issuer, Expected: true}); err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}
			if want := "subject alice@example.test issued by https://issuer.test"; got.String() != want {
				t.Errorf("String = %s, want %s", got, want)
			}
			got, err = s.signer(Options{TrustedRoot: v.root})
			if err != nil || got.Expected || got.Subject != alice.Subject || !strings.Contains(got.String(), "nothing was known") {
				t.Errorf("whoever it is: got %v, %v", got, err)
			}
			for _, ids := range [][]Identity{nil, {alice}} {
				_, err = s.signer(Options{Identities: ids})
				if !errors.Is(err, ErrUnchecked) || err.Error() != "signature present, not checked: no trusted root" {
					t.Errorf("without a trusted root: %v", err)
				}
			}
			_, err = s.signer(Options{TrustedRoot: v.root, Identities: []Identity{mallory}})
			bad(t, err, "alice@example.test")
			_, err = s.signer(Options{TrustedRoot: v.root, Identities: []Identity{{alice.Subject, "https://other.test"}}})
			bad(t, err, "https://issuer.test")
			for _, r := range [][]byte{other.root, SigstoreRoot} {
				_, err = s.signer(Options{TrustedRoot: r, Identities: []Identity{alice}})
				bad(t, err, "its signature is bad")
			}
			_, err = s.signer(Options{TrustedRoot: v.root, PublicKeys: [][]byte{key.pem}})
			bad(t, err, "it is signed, but not by key SHA256:"+key.hash)
		})
		t.Run(name+" of another image", func(t *testing.T) {
			s := newServer(t, true)
			push(s, v, alice, digest.FromString("other"))
			_, err := s.signer(Options{TrustedRoot: v.root})
			bad(t, err, "its signature is bad")
		})
	}
}

// What was changed after signing, or never entered in the log, is bad.
func TestTamperedCertificates(t *testing.T) {
	v := newVirtual(t)
	for name, change := range map[string]func(text []byte, a map[string]string) []byte{
		"payload": func(text []byte, _ map[string]string) []byte { return append(text, '\n') },
		"no log entry": func(text []byte, a map[string]string) []byte {
			delete(a, annotationLog)
			return text
		},
		"another's log entry": func(text []byte, a map[string]string) []byte {
			a[annotationLog] = v.annotations(alice, text)[annotationLog]
			return text
		},
		"another's certificate": func(text []byte, a map[string]string) []byte {
			a[annotationCertificate] = v.annotations(alice, text)[annotationCertificate]
			return text
		},
		"time in the log": func(text []byte, a map[string]string) []byte {
			a[annotationLog] = strings.Replace(a[annotationLog], `"integratedTime":`, `"integratedTime":1`, 1)
			return text
		},
	} {
		s := newServer(t, true)
		text := payload(s.image.Digest, cosignKind)
		a := v.annotations(alice, text)
		s.simple(s.blob(simpleSigning, change(text, a), a))
		t.Run(name, func(t *testing.T) {
			_, err := s.signer(Options{TrustedRoot: v.root, Identities: []Identity{alice}})
			bad(t, err, "its signature is bad")
		})
	}
}
