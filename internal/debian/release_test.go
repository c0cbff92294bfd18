package debian

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
)

func newKey(t testing.TB, name string, config *packet.Config) *openpgp.Entity {
	t.Helper()
	if config == nil {
		config = &packet.Config{}
	}
	config.Algorithm = packet.PubKeyAlgoEdDSA
	e, err := openpgp.NewEntity(name, "", "key@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func keyring(t testing.TB, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, k := range keys {
		if err := k.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func clearSign(t testing.TB, text string, at time.Time, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var private []*packet.PrivateKey
	for _, k := range keys {
		private = append(private, k.PrivateKey)
	}
	var b bytes.Buffer
	w, err := clearsign.EncodeMulti(&b, private, &packet.Config{Time: func() time.Time { return at }})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var indexDigest = digest.FromString("index")

func releaseText() string {
	return fmt.Sprintf(`Origin: Debian
Label: Debian
Suite: oldstable
Version: 12.15
Codename: bookworm
Date: Sat, 11 Jul 2026 10:16:37 UTC
Valid-Until: Sat, 18 Jul 2026 10:16:37 GMT
Architectures: all amd64
Components: main contrib
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e 1 main/binary-amd64/Packages.xz
SHA256:
 %s      42 main/binary-amd64/Packages.xz
 %s       0 main/i18n/Translation-en
`, indexDigest.Encoded(), digest.FromString("").Encoded())
}

func TestVerifyInRelease(t *testing.T) {
	signed := time.Date(2026, 7, 11, 10, 17, 11, 0, time.UTC)
	made := &packet.Config{Time: func() time.Time { return signed.AddDate(-1, 0, 0) }}
	stranger, known := newKey(t, "Stranger", made), newKey(t, "Archive Key", made)
	// As Debian's: signed by several keys, of which one is known.
	data := clearSign(t, releaseText(), signed, stranger, known)
	rel, signer, err := VerifyInRelease(data, keyring(t, known))
	if err != nil {
		t.Fatal(err)
	}
	if rel.Codename != "bookworm" || rel.Suite != "oldstable" || rel.Version != "12.15" || rel.Origin != "Debian" {
		t.Errorf("release %+v", rel)
	}
	if !rel.Date.Equal(time.Date(2026, 7, 11, 10, 16, 37, 0, time.UTC)) || !rel.ValidUntil.Equal(rel.Date.AddDate(0, 0, 7)) {
		t.Errorf("date %s until %s", rel.Date, rel.ValidUntil)
	}
	if got := rel.Files["main/binary-amd64/Packages.xz"]; got != (File{indexDigest, 42}) || len(rel.Files) != 2 {
		t.Errorf("files %v", rel.Files)
	}
	want := Signer{Fingerprint: fingerprint(known.PrimaryKey), Key: fingerprint(known.PrimaryKey), Name: "Archive Key <key@example.org>", Time: signed}
	if signer != want {
		t.Errorf("signer %+v, want %+v", signer, want)
	}
}

func TestVerifyInReleaseRefuses(t *testing.T) {
	known := newKey(t, "Archive Key", nil)
	expired := newKey(t, "Old Key", &packet.Config{
		KeyLifetimeSecs: 3600, Time: func() time.Time { return time.Now().AddDate(-2, 0, 0) },
	})
	now := time.Now()
	good := string(clearSign(t, releaseText(), now, known))
	keys := keyring(t, known, expired)
	for name, c := range map[string]struct{ data, want string }{
		"not signed":        {releaseText(), "not a clear-signed message"},
		"text before":       {"Codename: evil\n" + good, "not a clear-signed message"},
		"text after":        {good + "\nCodename: evil\n", "text after the signature"},
		"a second message":  {good + "\n" + good, "text after the signature"},
		"a hash changed":    {strings.Replace(good, indexDigest.Encoded(), digest.FromString("evil").Encoded(), 1), "no good signature"},
		"a stranger's":      {string(clearSign(t, releaseText(), now, newKey(t, "Stranger", nil))), "no good signature"},
		"an expired key's":  {string(clearSign(t, releaseText(), now, expired)), "no good signature"},
		"cut off":           {good[:len(good)-40], "cut off"},
		"without signature": {good[:strings.Index(good, "-----BEGIN PGP SIGNATURE")], "cut off"},
		"no hashes":         {string(clearSign(t, "Codename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n", now, known)), "no Codename, Date or SHA256"},
		"two paragraphs":    {string(clearSign(t, releaseText()+"\nCodename: evil\n", now, known)), "second paragraph"},
		"path":              {string(clearSign(t, strings.Replace(releaseText(), "main/i18n", "../i18n", 1), now, known)), "path"},
		"size":              {string(clearSign(t, strings.Replace(releaseText(), "     42 main", "    -42 main", 1), now, known)), "size"},
		"date":              {string(clearSign(t, strings.Replace(releaseText(), "37 UTC", "37 CEST", 1), now, known)), "not in UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			rel, _, err := VerifyInRelease([]byte(c.data), keys)
			if err == nil || rel != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	// follows: debian: it is not a clear-signed message
	// follows: debian: no good signature by a known archive key
	// Another mirror has the right one.
	for _, text := range []string{"<html>", string(clearSign(t, releaseText(), now, newKey(t, "Another", nil)))} {
		if _, _, err := VerifyInRelease([]byte(text), keys); !strings.Contains(fault.HintOf(err), "mirror") {
			t.Errorf("%v; hint %q", err, fault.HintOf(err))
		}
	}
	if _, _, err := VerifyInRelease([]byte(good), keys); err != nil {
		t.Error(err)
	}
}

func FuzzVerifyInRelease(f *testing.F) {
	known := newKey(f, "Archive Key", nil)
	keys := keyring(f, known)
	good := clearSign(f, releaseText(), time.Now(), known)
	want := releaseText()
	mutate.Add(f, good)
	mutate.Add(f, bytes.Replace(good, []byte("Version"), []byte("- Version"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		rel, _, err := VerifyInRelease(data, keys)
		if err != nil {
			return
		}
		// Only what was signed can come out.
		if signed, err := parseRelease(strings.NewReader(want)); err != nil || signed.Version != rel.Version || len(signed.Files) != len(rel.Files) {
			t.Errorf("verified as %+v", rel)
		}
	})
}

func FuzzParseRelease(f *testing.F) {
	mutate.Add(f, []byte(releaseText()))
	mutate.Add(f, []byte("SHA256:\n x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if rel, err := parseRelease(bytes.NewReader(data)); err == nil && len(rel.Files) == 0 {
			t.Error("a release without files")
		}
	})
}
