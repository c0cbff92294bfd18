package sign

import (
	"crypto"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	sigdsse "github.com/sigstore/sigstore/pkg/signature/dsse"
)

// What a key signs is accepted by the libraries of those who check: sigstore-go,
// which cosign uses, and the envelope verifier of in-toto's tools and
// slsa-verifier.
func TestOthersAgree(t *testing.T) {
	for name, k := range map[string]crypto.Signer{"ECDSA": newP256(t), "Ed25519": newEd25519(t)} {
		t.Run(name, func(t *testing.T) {
			s, err := newKey(k)
			if err != nil {
				t.Fatal(err)
			}
			text, err := s.Sign(t.Context(), statement)
			if err != nil {
				t.Fatal(err)
			}
			v, err := signature.LoadVerifier(k.Public(), crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			for want, about := range map[bool]string{true: image.Encoded(), false: hex.EncodeToString(make([]byte, 32))} {
				if err := bySigstore(text, v, about); (err == nil) != want {
					t.Errorf("sigstore-go, of %s: %v", about, err)
				}
			}
			var b struct {
				Envelope dsse.Envelope `json:"dsseEnvelope"`
			}
			if err := json.Unmarshal(text, &b); err != nil {
				t.Fatal(err)
			}
			e, err := dsse.NewEnvelopeVerifier(&sigdsse.VerifierAdapter{SignatureVerifier: v, Pub: k.Public()})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Verify(t.Context(), &b.Envelope); err != nil {
				t.Errorf("the envelope: %v", err)
			}
			b.Envelope.PayloadType = "application/json"
			if _, err := e.Verify(t.Context(), &b.Envelope); err == nil {
				t.Error("an envelope of another type passes")
			}
			if p, err := b.Envelope.DecodeB64Payload(); err != nil || string(p) != string(statement) {
				t.Errorf("%q, %v", p, err)
			}
		})
	}
}

func bySigstore(text []byte, v signature.Verifier, about string) error {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(text); err != nil {
		return err
	}
	material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(v, time.Time{}, time.Time{}), nil
	})
	checker, err := verify.NewVerifier(material, verify.WithNoObserverTimestamps())
	if err != nil {
		return err
	}
	sum, err := hex.DecodeString(about)
	if err != nil {
		return err
	}
	_, err = checker.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", sum), verify.WithKey()))
	return err
}
