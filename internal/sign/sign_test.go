package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/handler"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/sign/signtest"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/vouch"
)

var image = digest.FromString("image")

// statement is about image, in a form that no encoder would give it: the
// payload has to stay as it is.
var statement = fmt.Appendf(nil, "{ \"_type\": \"https://in-toto.io/Statement/v1\",\n  \"subject\": [{\"name\": \"image\", \"digest\": {\"sha256\": %q}}],\n  \"predicateType\": \"https://slsa.dev/provenance/v1\", \"predicate\": {\"x\": \"<é>\"}}\n", image.Encoded())

func newP256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newEd25519(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func file(t *testing.T, name string, data []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func pkcs8(t *testing.T, k any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func keyFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	return file(t, "key", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// signs signs the statement and checks what every signature must satisfy.
func signs(t *testing.T, s Signer) []byte {
	t.Helper()
	b, err := s.Sign(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Own().Verify(b, image)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Statement, statement) || got.Predicate != "https://slsa.dev/provenance/v1" {
		t.Errorf("the statement has changed: %q", got.Statement)
	}
	if got.Identity.String() != s.String() {
		t.Errorf("signed by %s, signer is %s", got.Identity, s)
	}
	again, err := s.Sign(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(b, again) != s.Deterministic() {
		t.Errorf("deterministic: %v, equal: %v", s.Deterministic(), bytes.Equal(b, again))
	}
	return b
}

func TestKeys(t *testing.T) {
	p256 := newP256(t)
	ed := newEd25519(t)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := encrypted.Encrypt(pkcs8(t, p256), []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := newKey(newP256(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]string{
		"ECDSA": keyFile(t, "PRIVATE KEY", pkcs8(t, p256)), "Ed25519": keyFile(t, "PRIVATE KEY", pkcs8(t, ed)), "RSA": keyFile(t, "PRIVATE KEY", pkcs8(t, r)),
		"SEC 1": keyFile(t, "EC PRIVATE KEY", sec1), "PKCS 1": keyFile(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)),
		"cosign": keyFile(t, "ENCRYPTED SIGSTORE PRIVATE KEY", locked),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := OpenKey(t.Context(), f, "open sesame")
			if err != nil {
				t.Fatal(err)
			}
			b := signs(t, s)
			if _, err := other.Own().Verify(b, image); !errors.Is(err, trust.ErrUntrusted) {
				t.Errorf("with another key: %v", err)
			}
			if _, err := s.Own().Verify(b, digest.FromString("other")); !errors.Is(err, trust.ErrBad) {
				t.Errorf("for another image: %v", err)
			}
			tampered(t, s, b)
		})
	}
}

// tampered changes each part of a bundle: none of it passes.
func tampered(t *testing.T, s Signer, b []byte) {
	t.Helper()
	for name, change := range map[string]func(e map[string]any){
		"payload": func(e map[string]any) {
			e["payload"] = base64Of(bytes.Replace(statement, []byte("<é>"), []byte("<e>"), 1))
		},
		"type": func(e map[string]any) { e["payloadType"] = "application/json" },
		"signature": func(e map[string]any) {
			e["signatures"] = []any{map[string]any{"sig": base64Of([]byte("nothing"))}}
		},
		"another's": func(e map[string]any) {
			o, err := newKey(newP256(t))
			if err != nil {
				t.Fatal(err)
			}
			sig, err := o.sign(t.Context(), dsse.PAE(trust.PayloadType, statement))
			if err != nil {
				t.Fatal(err)
			}
			e["signatures"] = []any{map[string]any{"sig": base64Of(sig)}}
		},
		"none": func(e map[string]any) { e["signatures"] = []any{} },
	} {
		var whole map[string]any
		if err := json.Unmarshal(b, &whole); err != nil {
			t.Fatal(err)
		}
		change(whole["dsseEnvelope"].(map[string]any))
		text, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Own().Verify(text, image); err == nil {
			t.Errorf("%s was changed, and nobody saw it", name)
		} else if name == "payload" && !errors.Is(err, trust.ErrBad) {
			t.Errorf("another payload: %v", err)
		}
	}
}

func base64Of(b []byte) string {
	text, _ := json.Marshal(b)
	return strings.Trim(string(text), `"`)
}

// Nothing of a key or a password is in an error.
func TestBadKeys(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := encrypted.Encrypt([]byte("secret-word"), []byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, want string }{
		"no PEM":          {file(t, "key", []byte("secret-word")), "no PEM file"},
		"a public key":    {keyFile(t, "PUBLIC KEY", []byte("secret-word")), "no private key"},
		"broken":          {keyFile(t, "PRIVATE KEY", []byte("secret-word")), "can't be read"},
		"P-384":           {keyFile(t, "PRIVATE KEY", pkcs8(t, p384)), "P-384"},
		"a wrong one":     {keyFile(t, "ENCRYPTED SIGSTORE PRIVATE KEY", locked), "password"},
		"an SSH key":      {keyFile(t, "OPENSSH PRIVATE KEY", nil), "SSH key"},
		"encrypted PKCS8": {keyFile(t, "ENCRYPTED PRIVATE KEY", nil), "not supported"},
		"no program":      {"nokms://key", "sigstore-kms-nokms"},
	} {
		_, err := OpenKey(t.Context(), c.file, "wrong-word")
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
		if text := fmt.Sprint(err, fault.HintOf(err)); strings.Contains(text, "secret-word") || strings.Contains(text, "wrong-word") {
			t.Errorf("%s: too much is said: %s", name, text)
		}
	}
}

// The program on the PATH is this test, with a key of its own.
func TestKMS(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := keyFile(t, "PRIVATE KEY", pkcs8(t, newP256(t)))
	script := fmt.Sprintf("#!/bin/sh\nTWICE_TEST_KMS_KEY=%s exec %s \"$@\"\n", key, self)
	if err := os.WriteFile(filepath.Join(dir, "sigstore-kms-test"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s, err := OpenKey(t.Context(), "test://here", "")
	if err != nil {
		t.Fatal(err)
	}
	signs(t, s)
}

func TestMain(m *testing.M) {
	if f := os.Getenv("TWICE_TEST_KMS_KEY"); f != "" {
		kmsMain(f)
		return
	}
	os.Exit(m.Run())
}

// inFile is a key management service of one key in a file.
type inFile struct{ signature.SignerVerifier }

func (inFile) DefaultAlgorithm() string      { return "" }
func (inFile) SupportedAlgorithms() []string { return nil }
func (inFile) CreateKey(context.Context, string) (crypto.PublicKey, error) {
	return nil, errors.New("there is one")
}
func (inFile) CryptoSigner(context.Context, func(error)) (crypto.Signer, crypto.SignerOpts, error) {
	return nil, nil, errors.New("not needed")
}

func kmsMain(f string) {
	data, err := os.ReadFile(f)
	if err == nil {
		var k crypto.Signer
		if k, err = parseKey(data, ""); err == nil {
			var sv signature.SignerVerifier
			if sv, err = signature.LoadSignerVerifier(k, crypto.SHA256); err == nil {
				args, aerr := handler.GetPluginArgs(os.Args)
				if err = aerr; err == nil {
					_, err = handler.Dispatch(os.Stdout, os.Stdin, args, inFile{sv})
				}
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func sshKey(t *testing.T, args ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "id")
	out, err := exec.Command("ssh-keygen", append([]string{"-q", "-C", "alice@example.test", "-f", name}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// SSH keys of all kinds sign, and OpenSSH's own program agrees that they did.
func TestSSH(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen")
	}
	for name, args := range map[string][]string{"Ed25519": {"-t", "ed25519", "-N", ""}, "ECDSA": {"-t", "ecdsa", "-N", ""}, "RSA": {"-t", "rsa", "-N", ""}} {
		t.Run(name, func(t *testing.T) {
			key := sshKey(t, args...)
			s, err := OpenSSH(key, "")
			if err != nil {
				t.Fatal(err)
			}
			b := signs(t, s)
			tampered(t, s, b)
			text, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			if of, err := SSHKey(text); err != nil || of.String() != s.String() {
				t.Errorf("the key's text is %v, its file %v: %v", of, s, err)
			} else {
				signs(t, of)
			}
			public, err := os.ReadFile(key + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			allowed := append([]byte("# who\n\nalice@example.test,alice namespaces=\"twice@*\" "), public...)
			who, err := trust.ParseAllowedSigners(allowed)
			if err != nil {
				t.Fatal(err)
			}
			got, err := trust.Policy{SSH: who}.Verify(b, image)
			if err != nil || got.Identity.Name != "alice@example.test,alice" {
				t.Errorf("%+v, %v", got, err)
			}
			opensshAgrees(t, b, allowed)
			for _, line := range []string{`alice namespaces="git" `, `alice valid-before="20200101" `, `alice valid-after="20990101Z" `} {
				who, err := trust.ParseAllowedSigners(append([]byte(line), public...))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := (trust.Policy{SSH: who}).Verify(b, image); !errors.Is(err, trust.ErrUntrusted) {
					t.Errorf("%s: %v", line, err)
				}
			}
			if _, err := trust.ParseAllowedSigners(append([]byte("alice cert-authority "), public...)); err == nil {
				t.Error("a certificate authority was taken")
			}
		})
	}
}

func TestBadSSHKeyTexts(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen")
	}
	locked, err := os.ReadFile(sshKey(t, "-t", "ed25519", "-N", "secret-word"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "secret-word", string(locked), string(locked[:len(locked)/2])} {
		s, err := SSHKey([]byte(text))
		if err == nil || fault.HintOf(err) == "" || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%.20q: %v, %v", text, s, err)
		}
	}
}

// opensshAgrees checks as the documents tell people to.
func opensshAgrees(t *testing.T, bundle, allowed []byte) {
	t.Helper()
	dir := t.TempDir()
	var b struct {
		DSSEEnvelope struct {
			Payload    []byte
			Signatures []struct{ Sig []byte }
		}
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"sig": b.DSSEEnvelope.Signatures[0].Sig, "allowed": allowed} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "alice@example.test", "-n", trust.Namespace, "-s", "sig")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(fmt.Sprintf("DSSEv1 %d %s %d %s", len(trust.PayloadType), trust.PayloadType, len(b.DSSEEnvelope.Payload), b.DSSEEnvelope.Payload))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen does not agree: %v\n%s", err, out)
	}
}

// A key with a passphrase signs through the agent.
func TestSSHAgent(t *testing.T) {
	for _, p := range []string{"ssh-agent", "ssh-add", "ssh-keygen"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip("there is no " + p)
		}
	}
	key := sshKey(t, "-t", "ed25519", "-N", "")
	socket := filepath.Join(t.TempDir(), "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
	for range 100 {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := OpenSSH(key+".pub", socket); err == nil || !strings.Contains(fault.HintOf(err), "ssh-add") {
		t.Errorf("the agent does not have the key: %v", err)
	}
	add := exec.Command("ssh-add", "-q", key)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-N", "secret-word", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, f := range []string{key, key + ".pub"} {
		s, err := OpenSSH(f, socket)
		if err != nil {
			t.Fatal(err)
		}
		signs(t, s)
		if _, err := OpenSSH(f, ""); err == nil || fault.HintOf(err) == "" {
			t.Errorf("without an agent: %v", err)
		}
	}
}

// Keyless, with an instance on this machine: whom the token names is who signed.
func TestKeyless(t *testing.T) {
	in, other := signtest.New(t), signtest.New(t)
	here := Instance{Fulcio: in.URL, Rekor: in.URL, TrustedRoot: in.TrustedRoot}
	s, err := Keyless(here, signtest.Token("alice@example.test", "https://issuer.test"))
	if err != nil {
		t.Fatal(err)
	}
	b := signs(t, s)
	tampered(t, s, b)
	root, err := vouch.NewInstance(in.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := vouch.NewInstance(other.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p    trust.Policy
		want error
	}{
		"anybody":          {trust.Policy{Instance: root, Certified: true}, nil},
		"bob":              {trust.Policy{Instance: root, Identities: []vouch.Identity{{Subject: "bob@example.test", Issuer: "https://issuer.test"}}}, trust.ErrUntrusted},
		"another issuer":   {trust.Policy{Instance: root, Identities: []vouch.Identity{{Subject: "alice@example.test", Issuer: "https://other.test"}}}, trust.ErrUntrusted},
		"another instance": {trust.Policy{Instance: elsewhere, Certified: true}, trust.ErrUntrusted},
		"no instance":      {trust.Policy{Certified: true}, trust.ErrUntrusted},
	} {
		if _, err := c.p.Verify(b, image); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What the instance gives is checked at once.
	here.TrustedRoot = other.TrustedRoot
	if s, err = Keyless(here, signtest.Token("alice@example.test", "https://issuer.test")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "trusted root") {
		t.Errorf("%v", err)
	}
}

// An instance that refuses, or repeats what it got, gives no token away.
func TestTokenStaysSecret(t *testing.T) {
	token := signtest.Token("alice@example.test", "https://issuer.test")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not "+r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	t.Cleanup(srv.Close)
	s, err := Keyless(Instance{Fulcio: srv.URL, Rekor: srv.URL, TrustedRoot: vouch.SigstoreRoot}, token)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Sign(t.Context(), statement)
	if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(fmt.Sprint(err, fault.HintOf(err)), token) {
		t.Errorf("%v, hint %s", err, fault.HintOf(err))
	}
}

func TestTokens(t *testing.T) {
	token := signtest.Token("a@b.test", "https://issuer.test")
	var asked string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Authorization") + " " + r.URL.RawQuery
		fmt.Fprintf(w, `{"value":%q}`, token)
	}))
	t.Cleanup(srv.Close)
	for name, env := range map[string]map[string]string{
		"GitLab": {"SIGSTORE_ID_TOKEN": token + "\n"},
		"GitHub": {"ACTIONS_ID_TOKEN_REQUEST_URL": srv.URL + "/?v=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "right-word"},
	} {
		get := func(k string) string { return env[k] }
		if got, err := Token(t.Context(), get); err != nil || got != token || !HasToken(get) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if asked != "Bearer right-word audience=sigstore&v=2" {
		t.Errorf("GitHub was asked %q", asked)
	}
	none := func(string) string { return "" }
	if _, err := Token(t.Context(), none); !errors.Is(err, ErrNoIdentity) || fault.HintOf(err) == "" || HasToken(none) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "x", "a.b.c", "e30.e30.e30"} {
		if _, err := Keyless(Instance{TrustedRoot: vouch.SigstoreRoot}, bad); err == nil || bad != "" && strings.Contains(err.Error(), " "+bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSigningConfig(t *testing.T) {
	const when = `"validFor":{"start":"2020-01-01T00:00:00Z"}`
	services := func(name string, list ...string) string {
		var out []string
		for _, s := range list {
			url, version, _ := strings.Cut(s, " ")
			out = append(out, fmt.Sprintf(`{"url":%q,"majorApiVersion":%s,%s,"operator":"x"}`, url, version, when))
		}
		return fmt.Sprintf(`,%q:[%s]`, name, strings.Join(out, ","))
	}
	config := func(parts ...string) []byte {
		return []byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{"selector":"ANY"},"tsaConfig":{"selector":"ANY"}` + strings.Join(parts, "") + `}`)
	}
	ca, log1, log2, tsa := services("caUrls", "https://ca.test 1"), services("rekorTlogUrls", "https://log.test 1"), services("rekorTlogUrls", "https://log.test 1", "https://new.test 2"), services("tsaUrls", "https://time.test/api 1")
	for want, c := range map[string][]byte{
		"https://ca.test https://log.test 1 ":                      config(ca, log1),
		"https://ca.test https://log.test 1 https://time.test/api": config(ca, log1, tsa),
		"https://ca.test https://new.test 2 https://time.test/api": config(ca, log2, tsa),
	} {
		in, err := ParseInstance(c, []byte("root"))
		if got := fmt.Sprint(in.Fulcio, " ", in.Rekor, " ", in.RekorVersion, " ", in.Timestamp); err != nil || got != want || string(in.TrustedRoot) != "root" {
			t.Errorf("%s, want %s, %v", got, want, err)
		}
	}
	for want, c := range map[string][]byte{"certificate authority": config(log1), "transparency log": config(ca), "timestamp authority": config(ca, log2), "parsing": []byte("{}")} {
		if _, err := ParseInstance(c, nil); err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", want, err)
		}
	}
}
