package vouch

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/mutate"
)

func FuzzBundle(f *testing.F) {
	mutate.Add(f, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AA=="}]}}`))
	mutate.Add(f, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"certificate":{"rawBytes":"AAAA"},"tlogEntries":[{"logIndex":"1","logId":{"keyId":"AAAA"},"kindVersion":{"kind":"dsse","version":"0.0.1"},"canonicalizedBody":"e30="}]},"messageSignature":{}}`))
	c, err := NewInstance(SigstoreRoot)
	if err != nil {
		f.Fatal(err)
	}
	d := digest.FromString("image")
	f.Fuzz(func(t *testing.T, content []byte) {
		b, _, err := parseBundle(content)
		if err != nil {
			return
		}
		if b.certified() {
			_, err = b.byCertificate(c, nil, d)
		} else {
			err = b.byKey(Key{}, d)
		}
		if err == nil {
			t.Error("verified")
		}
	})
}

func FuzzSimple(f *testing.F) {
	mutate.Add(f, []byte("{}"), "AAAA", "", "")
	mutate.Add(f, payload("sha256:00", cosignKind), "AAAA", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", `{"SignedEntryTimestamp":"AAAA","Payload":{"body":"e30=","logID":"00"}}`)
	c, err := NewInstance(SigstoreRoot)
	if err != nil {
		f.Fatal(err)
	}
	d := digest.FromString("image")
	f.Fuzz(func(t *testing.T, text []byte, sig, cert, log string) {
		s, err := parseSimple(text, map[string]string{annotationSignature: sig, annotationCertificate: cert, annotationLog: log, annotationTime: log})
		if err == nil && s.certified() {
			if _, err := s.byCertificate(c, nil, d); err == nil {
				t.Error("verified")
			}
		}
		if s.names(d) == nil && !strings.Contains(string(text), d.Encoded()) {
			t.Error("names the image")
		}
	})
}
