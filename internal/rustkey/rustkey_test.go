package rustkey

import (
	"bytes"
	"crypto"
	"fmt"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
)

func TestRustKey(t *testing.T) {
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(rustKey))
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	if got := fmt.Sprintf("%X", keys[0].PrimaryKey.Fingerprint); got != rustFingerprint {
		t.Errorf("fingerprint %s", got)
	}
	signs := 0
	for _, k := range keys[0].Subkeys {
		if k.Sig.FlagsValid && k.Sig.FlagSign {
			signs++
		}
	}
	if signs != 1 {
		t.Errorf("%d subkeys that sign, want 1", signs)
	}
}

// pgp is a key of the test's.
type pgp struct {
	*openpgp.Entity
	ring []byte
}

func newPGP(t *testing.T) pgp {
	t.Helper()
	e, err := openpgp.NewEntity("test", "", "test@example.test", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var ring bytes.Buffer
	if err := e.Serialize(&ring); err != nil {
		t.Fatal(err)
	}
	return pgp{e, ring.Bytes()}
}

func (p pgp) sign(t *testing.T, text string) []byte {
	t.Helper()
	var asc bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&asc, p.Entity, strings.NewReader(text), &packet.Config{DefaultHash: crypto.SHA256}); err != nil {
		t.Fatal(err)
	}
	return asc.Bytes()
}

func TestDetached(t *testing.T) {
	const text = "manifest-version = \"2\"\n"
	p, other := newPGP(t), newPGP(t)
	asc := p.sign(t, text)
	got, err := detached([]byte(text), asc, p.ring)
	if want := fmt.Sprintf("%X", p.PrimaryKey.Fingerprint); err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	var textMode bytes.Buffer
	if err := openpgp.ArmoredDetachSignText(&textMode, p.Entity, strings.NewReader(text), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		asc  []byte
		ring []byte
	}{
		"changed":          {text + "x", asc, p.ring},
		"cut off":          {text[:5], asc, p.ring},
		"another's key":    {text, asc, other.ring},
		"another's":        {text, other.sign(t, text), p.ring},
		"no signature":     {text, nil, p.ring},
		"half a signature": {text, asc[:len(asc)/2], p.ring},
		"of text":          {text, textMode.Bytes(), p.ring},
		"too long":         {text, append(asc, make([]byte, maxSignature)...), p.ring},
		"no key":           {text, asc, nil},
	} {
		if got, err := detached([]byte(c.text), c.asc, c.ring); err == nil {
			t.Errorf("%s: good, by %s", name, got)
		}
	}
	// Nobody but Rust's key vouches for a manifest.
	_, err = Manifest([]byte(text), asc)
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func FuzzManifest(f *testing.F) {
	mutate.Add(f, []byte("text"), []byte("-----BEGIN PGP SIGNATURE-----\n\nwsBz\n=AAAA\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, manifest, asc []byte) {
		if who, err := Manifest(manifest, asc); err == nil {
			t.Errorf("verified: %s", who)
		}
	})
}
