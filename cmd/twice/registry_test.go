package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/sign/signtest"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// registry [-fallback] [-login USER PASSWORD] starts a registry on the loopback
// interface and sets REGISTRY to its address. What is sent to it is appended to
// the file sent: one line for each blob or manifest, and its bytes. -fallback leaves out the
// referrers API; -distribution starts the CNCF's registry in its place.
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	api, login := true, ""
	for len(args) > 0 {
		switch {
		case args[0] == "-fallback":
			api = false
			args = args[1:]
		case args[0] == "-login" && len(args) > 2:
			login = args[1] + ":" + args[2]
			args = args[3:]
		case args[0] == "-distribution":
			ts.Setenv("REGISTRY", startDistribution(ts))
			return
		default:
			ts.Fatalf("usage: registry [-fallback] [-login USER PASSWORD] | -distribution")
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs("sent"), nil, 0o644))
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(api))
	var mu sync.Mutex
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); login != "" && user+":"+password != login {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPut || r.Method == http.MethodPatch { // not the question whether one may
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			mu.Lock()
			f, err := os.OpenFile(ts.MkAbs("sent"), os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				fmt.Fprintf(f, "%s %s\n%s\n", r.Method, r.URL, body)
				_ = f.Close()
			}
			mu.Unlock()
		}
		inner.ServeHTTP(w, r)
	}))
	ts.Defer(srv.Close)
	ts.Setenv("REGISTRY", strings.TrimPrefix(srv.URL, "http://"))
}

// startDistribution starts the CNCF's registry and returns its address.
func startDistribution(ts *testscript.TestScript) string {
	build := exec.Command("go", "build", "-trimpath", "-o", ts.MkAbs("distribution"), ".")
	build.Dir = filepath.Join(ts.Getenv("ROOT"), "internal", "registry", "testdata", "distribution")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("building distribution: %v\n%s", err, out)
	}
	cmd := exec.Command(ts.MkAbs("distribution"))
	in, err := cmd.StdinPipe()
	ts.Check(err)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() { _ = in.Close(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	return strings.TrimSpace(addr)
}

// release DIR writes what `twice verify -o DIR` would have written of a program
// of a few bytes and an image of it.
func cmdRelease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: release DIR")
	}
	ctx, dir := context.Background(), ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Join(dir, "bin"), 0o755))
	st, err := store.Open(ts.MkAbs("release-store"))
	ts.Check(err)
	program := []byte("#!/bin/sh\necho hello\n")
	tree := layer.NewTree()
	ts.Check(tree.Add(layer.File("usr/bin/tool", 0o755, 0, program)))
	l, err := layer.Write(ctx, st, tree, layer.Gzip)
	ts.Check(err)
	img, err := image.Write(ctx, st, nil, []layer.Layer{l}, image.Config{Epoch: 1, Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}})
	ts.Check(err)
	bin := digest.FromBytes(program)
	v := &verdict.Verdict{
		Reached: time.Unix(1793500000, 0), Twice: "test", Engine: "none", Image: img.Desc.Digest, Subject: verdict.Subject{Spec: ".", Name: "tool", Version: "1.2.3"},
		Artefacts: []verdict.Artefact{
			{Name: "bin/tool", Kind: verdict.Bin, SizeA: int64(len(program)), SizeB: int64(len(program)), A: bin, B: bin, Same: true},
			{Name: "image", Kind: verdict.Image, SizeA: l.Desc.Size, SizeB: l.Desc.Size, A: img.Desc.Digest, B: img.Desc.Digest, Same: true},
		},
		Builds: []verdict.Build{{Side: "A", Start: time.Unix(1793400000, 0)}, {Side: "B", Start: time.Unix(1793400000, 0)}},
	}
	v.Settle()
	bom := []byte(`{"bomFormat":"CycloneDX"}`)
	s := &provenance.Statement{
		Type: provenance.StatementType, PredicateType: provenance.SLSA,
		Subject: []provenance.Resource{{Name: "bin/tool", Digest: provenance.Sum(bin)}, {Name: "image", Digest: provenance.Sum(img.Desc.Digest)}},
		Predicate: provenance.Predicate{
			BuildDefinition: provenance.BuildDefinition{BuildType: provenance.BuildType, ExternalParameters: provenance.External{Config: &config.File{Name: "tool"}}},
			RunDetails: provenance.RunDetails{Builder: provenance.Builder{ID: provenance.BuilderID}, Byproducts: []provenance.Resource{
				{Name: "tool-cdx-v1.2.3.json", Digest: provenance.Sum(digest.FromBytes(bom)), MediaType: referrer.SBOM},
			}},
		},
	}
	verdictText, err := v.JSON()
	ts.Check(err)
	statement, err := s.JSON()
	ts.Check(err)
	for name, data := range map[string][]byte{"bin/tool": program, "verdict.json": verdictText, "tool-provenance-v1.2.3.json": statement, "tool-cdx-v1.2.3.json": bom} {
		ts.Check(os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	f, err := os.Create(filepath.Join(dir, "image.tar"))
	ts.Check(err)
	ts.Check(image.WriteArchive(ctx, st, img.Desc, f, "tool:1.2.3"))
	ts.Check(f.Close())
}

// new-key FILE [PASSWORD] makes an ECDSA key; with a password in cosign's form.
func cmdNewKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: new-key FILE [PASSWORD]")
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	ts.Check(err)
	block := &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	if len(args) > 1 {
		block.Type = "ENCRYPTED SIGSTORE PRIVATE KEY"
		block.Bytes, err = encrypted.Encrypt(der, []byte(args[1]))
		ts.Check(err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(block), 0o600))
	public, err := x509.MarshalPKIXPublicKey(k.Public())
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644))
}

// sigstore starts a Sigstore instance on the loopback interface: SIGSTORE is its
// address, trusted_root.json its trusted root, TOKEN an identity token.
func cmdSigstore(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: sigstore")
	}
	in, end, err := signtest.Start()
	ts.Check(err)
	ts.Defer(end)
	ts.Check(os.WriteFile(ts.MkAbs("trusted_root.json"), in.TrustedRoot, 0o644))
	ts.Setenv("SIGSTORE", in.URL)
	ts.Setenv("TOKEN", signtest.Token("ci@example.test", "https://issuer.test"))
}

// whole REFERENCE checks an image or index in a registry as `crane validate`
// does: everything is there, and is what its digest says.
func cmdWhole(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] whole REFERENCE")
	}
	if err := wholeImage(args[0]); (err != nil) != neg {
		ts.Fatalf("%s: %v", args[0], err)
	}
}

func wholeImage(reference string) error {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return err
	}
	desc, err := remote.Get(ref)
	if err != nil {
		return err
	}
	if desc.MediaType.IsIndex() {
		ix, err := desc.ImageIndex()
		if err != nil {
			return err
		}
		return validate.Index(ix)
	}
	img, err := desc.Image()
	if err != nil {
		return err
	}
	return validate.Image(img)
}

// kill-each [-step S] N ARG … runs `twice publish ADDRESS ARG …` again and again, each time
// to another repository of REGISTRY, and kills it at the first request, the second,
// … until it gets through: no tag ever points at something that isn't whole, and
// when it isn't killed it completes what it began. N is how many referrers there
// are then. With -step only each S-th request is one.
func cmdKillEach(ts *testscript.TestScript, neg bool, args []string) {
	step := 1
	if len(args) > 2 && args[0] == "-step" {
		_, err := fmt.Sscan(args[1], &step)
		ts.Check(err)
		args = args[2:]
	}
	if neg || len(args) < 2 || step < 1 {
		ts.Fatalf("usage: kill-each [-step S] N ARG …")
	}
	want := args[0]
	k := &killer{to: ts.Getenv("REGISTRY")}
	srv := httptest.NewServer(k)
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	for n := 1; ; n += step {
		address := fmt.Sprintf("%s/kill/%d:1", host, n)
		publish := func(at int) error {
			cmd := exec.Command(twiceBinary, append([]string{"publish", address, "--quiet"}, args[1:]...)...)
			cmd.Dir = ts.MkAbs(".")
			for _, v := range []string{"PATH", "HOME", "XDG_CACHE_HOME", "DOCKER_CONFIG"} {
				cmd.Env = append(cmd.Env, v+"="+ts.Getenv(v))
			}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			ts.Check(k.start(at, cmd))
			if err := cmd.Wait(); err != nil {
				return fmt.Errorf("%w\n%s", err, &out)
			}
			return nil
		}
		killed := publish(n) != nil
		k.rest()
		if err := wholeImage(address); err == nil && referrersOf(ts, address) != want {
			ts.Fatalf("killed at request %d: the tag is there, with %s referrers", n, referrersOf(ts, address))
		} else if err != nil && !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") && !strings.Contains(err.Error(), "NAME_UNKNOWN") {
			ts.Fatalf("killed at request %d: %v", n, err)
		}
		if err := publish(0); err != nil {
			ts.Fatalf("after it was killed at request %d: %v", n, err)
		}
		ts.Check(wholeImage(address))
		if got := referrersOf(ts, address); got != want {
			ts.Fatalf("after it was killed at request %d there are %s referrers, want %s", n, got, want)
		}
		if !killed {
			if n < 20 {
				ts.Fatalf("it was killed %d times only", n-1)
			}
			ts.Logf("killed %d times", n-1)
			return
		}
	}
}

func referrersOf(ts *testscript.TestScript, reference string) string {
	ref, err := name.ParseReference(reference)
	ts.Check(err)
	d, err := remote.Head(ref)
	ts.Check(err)
	ix, err := remote.Referrers(ref.Context().Digest(d.Digest.String()))
	ts.Check(err)
	m, err := ix.IndexManifest()
	ts.Check(err)
	return fmt.Sprint(len(m.Manifests))
}

// killer passes requests on, and kills a process at one of them: every second
// time when the registry has done what was asked.
type killer struct {
	to string
	mu sync.Mutex
	at int
	n  int
	of *os.Process
}

// start starts a process that is killed at a request; at 0 never.
func (k *killer) start(at int, cmd *exec.Cmd) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := cmd.Start()
	k.at, k.n, k.of = at, 0, cmd.Process
	return err
}

// rest kills nobody until the next start.
func (k *killer) rest() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = 0
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	k.n++
	now, dead, before := k.at > 0 && k.n == k.at, k.at > 0 && k.n > k.at, k.at%2 == 0
	process := k.of
	k.mu.Unlock()
	if dead || now && before {
		if now {
			_ = process.Kill()
		}
		panic(http.ErrAbortHandler)
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+k.to+r.URL.RequestURI(), r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Header, req.ContentLength, req.Host = r.Header, r.ContentLength, r.Host
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	if now {
		_ = process.Kill()
		panic(http.ErrAbortHandler)
	}
	for name, v := range resp.Header {
		w.Header()[name] = v
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// no-secret WORD FILE|DIR … looks for a word, as it is and in base64, in files.
func cmdNoSecret(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] no-secret WORD FILE …")
	}
	var words [][]byte
	for shift := range 3 { // base64 of a text that has it at any place
		words = append(words, []byte(strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", shift) + args[0]))[2*shift:], "=")))
	}
	for i := range words {
		words[i] = words[i][2 : len(words[i])-2]
	}
	words = append(words, []byte(args[0]))
	n, found := 0, ""
	for _, root := range args[1:] {
		ts.Check(filepath.WalkDir(ts.MkAbs(root), func(p string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(p)
			for _, w := range words {
				if bytes.Contains(data, w) {
					found = p
				}
			}
			n++
			return err
		}))
	}
	if n == 0 || (found != "") != neg {
		ts.Fatalf("of %d files %q has the secret %s", n, found, args[0])
	}
}

// watch-ps FILE writes all command lines that it sees into a file, until the
// script ends.
func cmdWatchPS(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: watch-ps FILE")
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	end, ended := make(chan struct{}), make(chan struct{})
	ts.Defer(func() { close(end); <-ended; _ = f.Close() })
	go func() {
		defer close(ended)
		seen := map[string]bool{}
		for {
			names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, n := range names {
				if line, err := os.ReadFile(n); err == nil && len(line) > 0 && !seen[string(line)] {
					seen[string(line)] = true
					_, _ = f.Write(append(bytes.ReplaceAll(line, []byte{0}, []byte(" ")), '\n'))
				}
			}
			select {
			case <-end:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
}

// others are programs of others, by the folder of the module that pins them.
var others = map[string][2]string{
	"cosign": {"cmd/twice/testdata/cosign", "github.com/sigstore/cosign/v3/cmd/cosign"},
	"crane":  {".", "github.com/google/go-containerregistry/cmd/crane"},
}

// other NAME builds a program of others into the script's folder.
func cmdOther(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || others[args[0]][0] == "" {
		ts.Fatalf("usage: other cosign|crane")
	}
	from := others[args[0]]
	build := exec.Command("go", "build", "-trimpath", "-o", ts.MkAbs(args[0]), from[1])
	build.Dir = filepath.Join(ts.Getenv("ROOT"), from[0])
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("building %s: %v\n%s", args[0], err, out)
	}
}
