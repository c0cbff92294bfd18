package trust

import (
	"errors"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/vouch"
)

// Whom nobody is trusted by, nobody is.
func TestEmptyPolicy(t *testing.T) {
	root, err := vouch.NewInstance(vouch.SigstoreRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Policy{{}, {Certified: true}, {Instance: root}} {
		if !p.Empty() {
			t.Errorf("%+v is not empty", p)
		}
	}
	if (Policy{Instance: root, Certified: true}).Empty() {
		t.Error("one that takes whoever is certified is empty")
	}
	b := `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"eA=="}]}}`
	if _, err := (Policy{}).Verify([]byte(b), ""); !errors.Is(err, ErrUntrusted) {
		t.Error(err)
	}
	if s, err := Read([]byte(b)); err != nil || len(s.Subjects) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// The same key under two labels is one identity, two certified names are two.
func TestIdentities(t *testing.T) {
	a := Identity{Kind: SSH, Name: "alice", Fingerprint: "SHA256:x"}
	b := Identity{Kind: SSH, Name: "alice@example.test", Fingerprint: "SHA256:x"}
	if a.ID() != b.ID() {
		t.Errorf("%s and %s", a.ID(), b.ID())
	}
	c, d := Identity{Kind: Keyless, Name: "alice", Issuer: "https://a.test"}, Identity{Kind: Keyless, Name: "alice", Issuer: "https://b.test"}
	if c.ID() == d.ID() || a.ID() == (Identity{Kind: Key, Fingerprint: "SHA256:x"}).ID() {
		t.Error("different identities are the same")
	}
}

func TestAllowedSigners(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPeZJt3DSHN3MPZ3BnTdnQnBqy5bdo5hDlWXrlrrDAbI"
	ok, err := ParseAllowedSigners([]byte("# people\n\n\"alice, a@b\" namespaces=\"twice@*,git\",valid-after=\"20200101\" " + key + " comment\r\nbob " + key + "\n"))
	if err != nil || len(ok) != 2 || ok[0].Principals != "alice, a@b" || ok[1].Principals != "bob" || len(ok[0].namespaces) != 2 {
		t.Errorf("%+v, %v", ok, err)
	}
	for bad, want := range map[string]string{
		"alice":                             "PRINCIPALS",
		"alice " + key[:40]:                 "can't be read",
		`alice verified="yes" ` + key:       "not known",
		`alice valid-after="soon" ` + key:   "no time",
		`alice cert-authority ` + key:       "not supported",
		"bob " + key + "\nalice ssh-dss AA": "line 2",
	} {
		if _, err := ParseAllowedSigners([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	mutate.Add(f, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"LS0tLS1CRUdJTiBTU0ggU0lHTkFUVVJFLS0tLS0K"}]}}`))
	mutate.Add(f, []byte(`{"verificationMaterial":{"certificate":{"rawBytes":"AA=="}},"dsseEnvelope":{"signatures":[null]}}`))
	root, err := vouch.NewInstance(vouch.SigstoreRoot)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := (Policy{Instance: root, Certified: true}).Verify(b, ""); err == nil {
			t.Errorf("it is signed by %s", s.Identity)
		}
	})
}

func FuzzAllowedSigners(f *testing.F) {
	mutate.Add(f, []byte("a namespaces=\"x\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPeZJt3DSHN3MPZ3BnTdnQnBqy5bdo5hDlWXrlrrDAbI"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ParseAllowedSigners(text)
		for _, s := range list {
			if err == nil && (s.Key == nil || s.Principals == "") {
				t.Errorf("%+v", s)
			}
		}
	})
}
