package consensus

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/sign"
	"github.com/craton-co/twice/internal/trust"
	"github.com/opencontainers/go-digest"
	"golang.org/x/crypto/ssh"
)

var image = digest.FromString("the image")

// signer is somebody with a key; line is how a list names it.
type signer struct {
	sign.Signer
	line string
}

func newKey(t *testing.T, dir, name string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, name)
	for f, b := range map[string]*pem.Block{file + ".key": {Type: "PRIVATE KEY", Bytes: private}, file + ".pub": {Type: "PUBLIC KEY", Bytes: public}} {
		if err := os.WriteFile(f, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sign.OpenKey(t.Context(), file+".key", "")
	if err != nil {
		t.Fatal(err)
	}
	return signer{s, fmt.Sprintf("keys = [%q]", name+".pub")}
}

func newSSH(t *testing.T, dir, name string) signer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sign.OpenSSH(file, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer{s, fmt.Sprintf("ssh = [%q]", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))}
}

// record is a signed record of a run that ended at an hour.
func (s signer) record(t *testing.T, statement, word, origin string, hour int) Document {
	t.Helper()
	st := &provenance.Statement{Subject: []provenance.Resource{{Name: "image", Digest: provenance.Sum(image)}}}
	when := time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC)
	text, err := provenance.NewRecord([]byte(statement), st, provenance.Run{Verdict: word, Start: when, Finish: when, Twice: "v1", Origin: origin}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := s.Sign(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return Document{From: "x", Data: bundle}
}

func TestCount(t *testing.T) {
	dir := t.TempDir()
	alice, alice2, bob, carol, eve := newKey(t, dir, "alice"), newSSH(t, dir, "alice2"), newKey(t, dir, "bob"), newSSH(t, dir, "carol"), newKey(t, dir, "eve")
	text := "[[rebuilder]]\nperson = \"Alice A.\"\norganisation = \"One\"\n" + alice.line + "\n" + alice2.line +
		"\n[[rebuilder]]\nperson = \"Bob\"\norganisation = \"One\"\n" + bob.line + "\n[[rebuilder]]\nperson = \"Carol\"\n" + carol.line + "\n"
	name := filepath.Join(dir, "rebuilders.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := ReadList(name)
	if err != nil {
		t.Fatal(err)
	}
	const yes, no = "REPRODUCIBLE", "MISMATCH"
	forged := alice.record(t, "s", yes, "rust", 1)
	forged.Data = bytes.Replace(forged.Data, []byte(`"sig":"M`), []byte(`"sig":"N`), 1)
	both := func(a, b Document) []Document { return []Document{a, b} }
	for name, c := range map[string]struct {
		q         Question
		docs      []Document
		consensus bool
		agree     int
		dissent   int
		other     int
		strangers int
		bad       int
	}{
		"two identities":       {Question{By: Identity, Required: 2}, both(alice.record(t, "s", yes, "rust", 1), bob.record(t, "s", yes, "rust", 1)), true, 2, 0, 0, 0, 0},
		"one, many signatures": {Question{By: Identity, Required: 2}, []Document{alice.record(t, "s", yes, "rust", 1), alice.record(t, "s", yes, "rust", 2), alice.record(t, "s", yes, "rust", 3)}, false, 1, 0, 0, 0, 0},
		"the same twice":       {Question{By: Identity, Required: 2}, both(alice.record(t, "s", yes, "rust", 1), alice.record(t, "s", yes, "rust", 1)), false, 1, 0, 0, 0, 0},
		"one person, two keys": {Question{By: Person, Required: 2}, both(alice.record(t, "s", yes, "rust", 1), alice2.record(t, "s", yes, "rust", 1)), false, 1, 0, 0, 0, 0},
		"the same, by key":     {Question{By: Identity, Required: 2}, both(alice.record(t, "s", yes, "rust", 1), alice2.record(t, "s", yes, "rust", 1)), true, 2, 0, 0, 0, 0},
		"a person who differs": {Question{By: Person, Required: 1}, both(alice.record(t, "s", yes, "rust", 1), alice2.record(t, "s", no, "rust", 1)), false, 0, 1, 0, 0, 0},
		"one organisation":     {Question{By: Organisation, Required: 2}, []Document{alice.record(t, "s", yes, "rust", 1), bob.record(t, "s", yes, "rust", 1), carol.record(t, "s", yes, "rust", 1)}, false, 1, 0, 1, 0, 0},
		"a dissenter":          {Question{By: Person, Required: 2}, []Document{alice.record(t, "s", yes, "rust", 1), bob.record(t, "s", yes, "rust", 1), carol.record(t, "s", no, "rust", 1)}, true, 2, 1, 0, 0, 0},
		"unanimous":            {Question{By: Person, Required: 2, Unanimous: true}, []Document{alice.record(t, "s", yes, "rust", 1), bob.record(t, "s", yes, "rust", 1), carol.record(t, "s", no, "rust", 1)}, false, 2, 1, 0, 0, 0},
		"a later no":           {Question{By: Person, Required: 1}, both(alice.record(t, "s", no, "rust", 5), alice.record(t, "s", yes, "rust", 1)), false, 0, 1, 0, 0, 0},
		"a later yes":          {Question{By: Person, Required: 1}, both(alice.record(t, "s", yes, "rust", 5), alice.record(t, "s", no, "rust", 1)), true, 1, 0, 0, 0, 0},
		"both at once":         {Question{By: Person, Required: 1}, both(alice.record(t, "s", yes, "rust", 5), alice.record(t, "s", no, "rust", 5)), false, 0, 1, 0, 0, 0},
		"a stranger":           {Question{By: Person, Required: 2}, both(alice.record(t, "s", yes, "rust", 1), eve.record(t, "s", yes, "rust", 1)), false, 1, 0, 0, 1, 0},
		"another statement":    {Question{By: Person, Required: 2}, []Document{alice.record(t, "s", yes, "rust", 1), bob.record(t, "s", yes, "rust", 1), carol.record(t, "other", yes, "debian", 1)}, true, 2, 0, 1, 0, 0},
		"forged":               {Question{By: Person, Required: 1}, []Document{forged}, false, 0, 0, 0, 0, 1},
		"nobody":               {Question{By: Person, Required: 0}, nil, false, 0, 0, 0, 0, 0},
		"rubbish":              {Question{By: Person, Required: 1}, []Document{{From: "x", Data: []byte("{}")}}, false, 0, 0, 0, 0, 1},
	} {
		c.q.Subject = image
		for range 2 { // the order doesn't matter
			slices.Reverse(c.docs)
			r := Count(c.q, list, list.Policy(nil), c.docs)
			if r.Consensus != c.consensus || r.Agreeing != c.agree || r.Dissenting != c.dissent || len(r.Other) != c.other || r.Strangers != c.strangers || len(r.Bad) != c.bad {
				data, _ := json.MarshalIndent(r, "", " ")
				t.Errorf("%s:\n%s", name, data)
			}
		}
	}

	// Another artefact is nobody's.
	r := Count(Question{Subject: digest.FromString("other"), By: Person, Required: 1}, list, list.Policy(nil), both(alice.record(t, "s", yes, "rust", 1), bob.record(t, "s", yes, "rust", 1)))
	if r.Consensus || r.Agreeing+r.Strangers+len(r.Bad) != 0 {
		t.Errorf("%+v", r)
	}
	// Origins count apart.
	r = Count(Question{Subject: image, By: Person, Required: 2}, list, list.Policy(nil), []Document{alice.record(t, "s", yes, "rust", 1), bob.record(t, "s", yes, "rust", 1), carol.record(t, "s", yes, "debian", 2)})
	if r.Origins["rust"] != 2 || r.Origins["debian"] != 1 {
		t.Errorf("%v", r.Origins)
	}
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Alice A.", "  says REPRODUCIBLE  rust compiler", "origins  debian 1 · rust 2\n", "CONSENSUS  3 of 2 required agree  counted by person\nartefact  sha256:"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// What a record says of where it ran can't do anything to a terminal.
func TestTextIsHarmless(t *testing.T) {
	v := Voice{Identity: trust.Identity{Kind: trust.Key, Fingerprint: "SHA256:x"}, Run: provenance.Run{Verdict: "REPRODUCIBLE", Where: "\x1b[2Jfarm\nCONSENSUS", Origin: "\x1b[1m"}}
	var b strings.Builder
	if err := (&Result{Agree: []Voice{v}, Agreeing: 1, Origins: map[string]int{"\x1b[1m": 1}}).Text(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(b.String(), 0x1b) || strings.Contains(b.String(), "\nCONSENSUS  \n") {
		t.Errorf("%q", b.String())
	}
}

func TestLists(t *testing.T) {
	dir := t.TempDir()
	a := newKey(t, dir, "a")
	row := "[[rebuilder]]\nperson = \"A\"\n" + a.line + "\n"
	for text, want := range map[string]string{
		"":                                "names nobody",
		"[[rebuilder]]\n" + a.line:        "no person",
		"[[rebuilder]]\nperson = \"A\"\n": "no way to sign",
		row + row:                         "is A's and A's",
		row + "key = 1\n":                 `line 4: nothing is called "rebuilder.key"`,
		"[[rebuilder]\n":                  "line 1: ",
		"[[rebuilder]]\nperson = \"A\"\nkeys = [\"none.pub\"]":                  "none.pub",
		"[[rebuilder]]\nperson = \"A\"\nssh = [\"ssh-ed25519 AA\"]":             "can't be read",
		"[[rebuilder]]\nperson = \"A\"\nssh = [\"ssh-ed25519 AA\\nssh-rsa B\"]": "one line",
		"[[rebuilder]]\nperson = \"A\"\nidentities = [{subject = \"x\"}]":       "an issuer",
	} {
		if _, err := parseList([]byte(text), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFromPath(t *testing.T) {
	dir := t.TempDir()
	a := newKey(t, dir, "a")
	rec := a.record(t, "s", "REPRODUCIBLE", "rust", 1)
	for name, data := range map[string][]byte{"sub/r.json": rec.Data, "other.json": []byte(`{"a":1}`), ".git/r.json": rec.Data, "big": bytes.Repeat([]byte("x"), maxRecord+1)} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := FromPath(t.Context(), dir)
	if err != nil || len(docs) != 1 || !bytes.Equal(docs[0].Data, rec.Data) {
		t.Errorf("%d, %v", len(docs), err)
	}
	if _, err := FromPath(t.Context(), filepath.Join(dir, "other.json")); err == nil || !strings.Contains(err.Error(), "no signed record") {
		t.Error(err)
	}
	if _, err := FromPath(t.Context(), filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that isn't there was read")
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := FromPath(stopped, dir); err == nil {
		t.Error("it went on when it was told to stop")
	}
}
