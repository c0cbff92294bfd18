package publish

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/referrer"
	twiceregistry "github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/sign"
	"github.com/craton-co/twice/internal/sign/signtest"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/vouch"
)

// released is a small release: a program and its image, with all evidence.
func released(t *testing.T) (*store.Store, image.Image, Evidence) {
	t.Helper()
	st, img := small(t)
	return st, img, evidenceOf(t, img.Desc, verdict.Image)
}

// evidenceOf is the evidence of a release with that image or index.
func evidenceOf(t *testing.T, img ocispec.Descriptor, kind verdict.Kind) Evidence {
	t.Helper()
	bin := digest.FromString("the program")
	v := &verdict.Verdict{
		Reached: time.Unix(1700000100, 0), Twice: "v1.2.3", Engine: "none", Image: img.Digest,
		Subject: verdict.Subject{Spec: ".", Name: "tool", Version: "1.2.3"},
		Artefacts: []verdict.Artefact{
			{Name: "bin/tool", Kind: verdict.Bin, SizeA: 11, SizeB: 11, A: bin, B: bin, Same: true},
			{Name: "image", Kind: kind, SizeA: 9, SizeB: 9, A: img.Digest, B: img.Digest, Same: true},
		},
		Builds: []verdict.Build{{Side: "A", Start: time.Unix(1700000000, 0)}, {Side: "B", Start: time.Unix(1700000001, 0)}},
	}
	v.Settle()
	bom := evidence.Document{Name: "tool-cdx-v1.2.3.json", Data: []byte(`{"bomFormat":"CycloneDX"}`)}
	s := &provenance.Statement{
		Type: provenance.StatementType, PredicateType: provenance.SLSA,
		Subject: []provenance.Resource{{Name: "bin/tool", Digest: provenance.Sum(bin)}, {Name: "image", Digest: provenance.Sum(img.Digest)}},
		Predicate: provenance.Predicate{
			BuildDefinition: provenance.BuildDefinition{BuildType: provenance.BuildType, ExternalParameters: provenance.External{Config: &config.File{Name: "tool"}}},
			RunDetails: provenance.RunDetails{Builder: provenance.Builder{ID: provenance.BuilderID}, Byproducts: []provenance.Resource{
				{Name: bom.Name, Digest: provenance.Sum(digest.FromBytes(bom.Data)), MediaType: referrer.SBOM},
			}},
		},
	}
	text, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return Evidence{Set: evidence.Set{SBOMs: []evidence.Document{bom}, Statement: evidence.Document{Name: "tool-provenance-v1.2.3.json", Data: text}}, Verdict: v}
}

// send publishes an image or index, which nobody signs, and returns its name.
func send(t *testing.T, st *store.Store, img ocispec.Descriptor, kind verdict.Kind, to Address, opt Options) (string, error) {
	t.Helper()
	done, err := Complete(t.Context(), st, []Push{{img.Digest, kind, to}}, evidenceOf(t, img, kind), How{}, opt)
	if err != nil {
		return "", err
	}
	return done.Images[0].Name, nil
}

// keyed is a signer with a new key.
func keyed(t *testing.T) sign.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	f := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(f, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sign.OpenKey(t.Context(), f, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// complete publishes to a registry and checks that all is there.
func complete(t *testing.T, st *store.Store, e Evidence, how How, to Address) *Published {
	t.Helper()
	pushes, err := Pushes(e.Verdict, to, "")
	if err != nil {
		t.Fatal(err)
	}
	done, err := Complete(t.Context(), st, pushes, e, how, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if problem := whole(t, to, how.Signer); problem != "" {
		t.Fatal(problem)
	}
	return done
}

// expected are the predicates of what is signed.
var expected = []string{provenance.SLSA, provenance.RecordType, provenance.SummaryType, ImageSignature}

// whole says what an address lacks that a published image has; "" if nothing.
func whole(t *testing.T, to Address, signer Signer) string {
	t.Helper()
	desc, err := remote.Get(to.tag)
	if err != nil {
		return "no tag: " + err.Error()
	}
	d := digest.Digest(desc.Digest.String())
	if desc.MediaType.IsIndex() {
		ix, err := desc.ImageIndex()
		if err == nil {
			err = validate.Index(ix, validate.Fast)
		}
		if err != nil {
			return err.Error()
		}
	} else {
		img, err := desc.Image()
		if err == nil {
			err = validate.Image(img)
		}
		if err != nil {
			return err.Error()
		}
	}
	repo, err := twiceregistry.Open(to.tag.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	var found []string
	for r, err := range referrer.List(t.Context(), repo, d) {
		if err != nil {
			return err.Error()
		}
		doc, err := referrer.Read(t.Context(), repo, r, trust.MaxBundle)
		if err != nil {
			return err.Error()
		}
		if doc.Type != referrer.Bundle {
			found = append(found, doc.Type)
			continue
		}
		text, err := signer.Signed(doc.Data, d)
		if err != nil {
			return err.Error()
		}
		var signed struct{ PredicateType string }
		if err := json.Unmarshal(text, &signed); err != nil {
			return err.Error()
		}
		if signed.PredicateType != r.Annotations[referrer.AnnotationPredicate] {
			return "annotated as " + r.Annotations[referrer.AnnotationPredicate] + ", it is " + signed.PredicateType
		}
		found = append(found, signed.PredicateType)
	}
	want := []string{referrer.SBOM, referrer.Statement, referrer.Verdict}
	if signer != nil {
		want = append(want, expected...)
	}
	slices.Sort(found)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		return fmt.Sprintf("attached is %v, want %v", found, want)
	}
	return ""
}

// both are the two kinds of registries, with what comes before them.
func both(t *testing.T, f func(t *testing.T, start func(before func(w http.ResponseWriter, r *http.Request) bool) string)) {
	for name, api := range map[string]bool{"referrers API": true, "fallback tag": false} {
		t.Run(name, func(t *testing.T) {
			f(t, func(before func(w http.ResponseWriter, r *http.Request) bool) string {
				inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(api))
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if before == nil || before(w, r) {
						inner.ServeHTTP(w, r)
					}
				}))
				t.Cleanup(srv.Close)
				return strings.TrimPrefix(srv.URL, "http://")
			})
		})
	}
}

// sentLog is what a registry was sent, in order.
type sentLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *sentLog) note(_ http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, r.Method+" "+r.URL.Path)
	}
	return true
}

// take returns what was sent since it was last called.
func (l *sentLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// What was published is there once, whoever signs, and stays as it is when it
// is published again.
func TestComplete(t *testing.T) {
	st, _, e := released(t)
	in := signtest.New(t)
	keyless, err := sign.Keyless(sign.Instance{Fulcio: in.URL, Rekor: in.URL, TrustedRoot: in.TrustedRoot}, signtest.Token("a@b.test", "https://issuer.test"))
	if err != nil {
		t.Fatal(err)
	}
	for who, signer := range map[string]Signer{"key": keyed(t), "keyless": keyless, "nobody": nil} {
		t.Run(who, func(t *testing.T) {
			both(t, func(t *testing.T, start func(func(http.ResponseWriter, *http.Request) bool) string) {
				var log sentLog
				host := start(log.note)
				to := parse(t, host+"/team/tool:1.2.3")
				first := complete(t, st, e, How{Signer: signer}, to)
				sent := log.take()
				if last := sent[len(sent)-1]; last != "PUT /v2/team/tool/manifests/1.2.3" {
					t.Errorf("the last that was sent is %s", last)
				}
				for _, a := range first.Images[0].Referrers {
					if !a.Sent {
						t.Errorf("%+v was not sent", a)
					}
				}
				again := complete(t, st, e, How{Signer: signer}, to)
				if sent := log.take(); len(sent) > 0 {
					t.Errorf("the second time sent %s", sent)
				}
				for i, a := range again.Images[0].Referrers {
					if a.Sent || a.Digest != first.Images[0].Referrers[i].Digest {
						t.Errorf("%+v, was %+v", a, first.Images[0].Referrers[i])
					}
				}
			})
		})
	}
}

// Cut off at any request, before the registry has seen it or after, no tag
// points at something that isn't whole; done again, it is complete.
func TestCutOff(t *testing.T) {
	st, amd64, e := released(t)
	arm64, err := image.Write(t.Context(), st, nil, nil, image.Config{Platform: ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}})
	if err != nil {
		t.Fatal(err)
	}
	index, err := image.WriteIndex(t.Context(), st, []image.Image{arm64, amd64})
	if err != nil {
		t.Fatal(err)
	}
	indexed := evidenceOf(t, index, verdict.Index)
	signer := keyed(t)
	for what, e := range map[string]Evidence{"image": e, "index": indexed} {
		t.Run(what, func(t *testing.T) {
			both(t, func(t *testing.T, start func(func(http.ResponseWriter, *http.Request) bool) string) {
				for _, seen := range []bool{false, true} {
					if seen && what == "index" {
						continue // an image's requests and a few more
					}
					n := 1
					for ; ; n++ {
						if cutOff(t, st, e, signer, start, n, seen) {
							break
						}
					}
					if n < 20 {
						t.Errorf("only %d requests were cut off", n)
					}
				}
			})
		})
	}
}

// cutOff publishes to a new registry, and stops at the n-th request. It tells
// whether there were so few that nothing was cut off.
func cutOff(t *testing.T, st *store.Store, e Evidence, signer sign.Signer, start func(func(http.ResponseWriter, *http.Request) bool) string, n int, seen bool) bool {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	count, dead, well := 0, false, false
	host := start(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/v2/" || well {
			return true
		}
		if count++; dead || count < n {
			return !dead
		}
		dead = true
		stop()
		return seen
	})
	to := parse(t, host+"/team/tool:1.2.3")
	pushes, err := Pushes(e.Verdict, to, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Complete(ctx, st, pushes, e, How{Signer: signer}, Options{})
	mu.Lock()
	well = true // from now on
	few := count < n
	mu.Unlock()
	if err == nil {
		return few
	}
	if problem := whole(t, to, signer); problem != "" && !strings.HasPrefix(problem, "no tag") {
		t.Errorf("cut off at request %d: the tag is there, but %s", n, problem)
	}
	complete(t, st, e, How{Signer: signer}, to)
	return false
}

// A tag that is another image's stays so, unless it is to be moved.
func TestTagOfAnother(t *testing.T) {
	st, _, e := released(t)
	s := newServer(t)
	to := parse(t, s.host+"/team/tool:1.2.3")
	other, err := image.Write(t.Context(), st, nil, nil, image.Config{Platform: ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, st, other.Desc, verdict.Image, to, Options{}); err != nil {
		t.Fatal(err)
	}
	pushes, err := Pushes(e.Verdict, to, "")
	if err != nil {
		t.Fatal(err)
	}
	s.puts = nil
	_, err = Complete(t.Context(), st, pushes, e, How{}, Options{})
	if err == nil || !strings.Contains(err.Error(), "that of another image, "+other.Desc.Digest.String()) || !strings.Contains(fault.HintOf(err), "--move-tag") || len(s.puts) > 0 {
		t.Errorf("%v, sent %s", err, s.puts)
	}
	complete(t, st, e, How{MoveTag: true}, to)
}

// in writes a release into a folder, as verify -o does.
func in(t *testing.T, st *store.Store, img image.Image, e Evidence) string {
	t.Helper()
	dir := t.TempDir()
	var archive bytes.Buffer
	if err := image.WriteArchive(t.Context(), st, img.Desc, &archive, "tool:1.2.3"); err != nil {
		t.Fatal(err)
	}
	v, err := e.Verdict.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for f, data := range map[string][]byte{
		"verdict.json": v, "image.tar": archive.Bytes(), "bin/tool": []byte("the program"),
		e.Statement.Name: e.Statement.Data, e.SBOMs[0].Name: e.SBOMs[0].Data,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, f)), 0o755), os.WriteFile(filepath.Join(dir, f), data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A folder is published as what was written into it; any change is found.
func TestFolder(t *testing.T) {
	st, img, e := released(t)
	empty := func() *store.Store {
		s, err := store.Open(filepath.Join(t.TempDir(), "store"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	other := empty()
	got, err := Folder(t.Context(), other, in(t, st, img, e))
	if err != nil {
		t.Fatal(err)
	}
	if err := AllowFolder(got.Verdict, false); err != nil {
		t.Error(err)
	}
	s := newServer(t)
	complete(t, other, got, How{Signer: keyed(t)}, parse(t, s.host+"/team/tool:1.2.3"))

	change := func(f string, edit func([]byte) []byte) func(dir string) {
		return func(dir string) {
			data, err := os.ReadFile(filepath.Join(dir, f))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, f), edit(data), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(from)) {
				t.Fatalf("no %s", from)
			}
			return bytes.ReplaceAll(b, []byte(from), []byte(to))
		}
	}
	mismatch := func(dir string) {
		v := *e.Verdict
		v.Artefacts = slices.Clone(v.Artefacts)
		v.Artefacts[0].B, v.Artefacts[0].Same = digest.FromString("x"), false
		v.Settle()
		data, err := v.JSON()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "verdict.json"), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		spoil func(dir string)
		want  string
	}{
		"no verdict":        {func(dir string) { os.Remove(filepath.Join(dir, "verdict.json")) }, "no verdict"},
		"a mismatch":        {mismatch, "nothing is published"},
		"a program":         {change("bin/tool", replace("the", "The")), "bin/tool: it has the digest"},
		"a blob":            {change("image.tar", replace(`"architecture":"amd64"`, `"architecture":"arm64"`)), "image: blob"},
		"another image":     {change("image.tar", func(b []byte) []byte { return b[:0] }), "image: its image is not"},
		"an SBOM":           {change(e.SBOMs[0].Name, replace("CycloneDX", "Cyclone")), "not the one that the statement names"},
		"no SBOM":           {func(dir string) { os.Remove(filepath.Join(dir, e.SBOMs[0].Name)) }, "no such file"},
		"a statement":       {change(e.Statement.Name, replace(digest.FromString("the program").Encoded(), digest.FromString("x").Encoded())), "not about bin/tool"},
		"no statement":      {func(dir string) { os.Remove(filepath.Join(dir, e.Statement.Name)) }, "0 provenance statements"},
		"an SBOM elsewhere": {change(e.Statement.Name, replace(`"tool-cdx`, `"../tool-cdx`)), "no file's name"},
	} {
		for where, st := range map[string]*store.Store{"an empty store": empty(), "the same store": other} {
			dir := in(t, other, img, e)
			c.spoil(dir)
			if _, err := Folder(t.Context(), st, dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v", name, where, err)
			}
		}
	}
}

// in-toto's library and SLSA's types accept what is signed.
func TestSignedStatementsAreInToto(t *testing.T) {
	_, img, e := released(t)
	list, err := e.statements(img.Desc.Digest, "oci://registry.test/team/tool")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list {
		var st struct {
			Type          string `json:"_type"`
			PredicateType string `json:"predicateType"`
			Subject       []struct{ Digest map[string]string }
		}
		if err := json.Unmarshal(s.text, &st); err != nil {
			t.Fatal(err)
		}
		if st.PredicateType != s.predicate || st.Type != provenance.StatementType {
			t.Errorf("%s says %s", s.predicate, st.PredicateType)
		}
		if !slices.ContainsFunc(st.Subject, func(x struct{ Digest map[string]string }) bool {
			return x.Digest["sha256"] == img.Desc.Digest.Encoded()
		}) {
			t.Errorf("%s is not about the image", s.predicate)
		}
		got = append(got, s.predicate)
	}
	if !slices.Equal(got, expected) {
		t.Errorf("%v", got)
	}
	if _, err := e.statements(digest.FromString("other"), ""); err == nil {
		t.Error("an image that the statement is not about")
	}
}

// Whoever attached the same under another identity is not taken for us.
func TestOthersSignaturesDontCount(t *testing.T) {
	st, _, e := released(t)
	s := newServer(t)
	to := parse(t, s.host+"/team/tool:1.2.3")
	in := signtest.New(t)
	signer := func(who string) sign.Signer {
		k, err := sign.Keyless(sign.Instance{Fulcio: in.URL, Rekor: in.URL, TrustedRoot: in.TrustedRoot}, signtest.Token(who, "https://issuer.test"))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	pushes, err := Pushes(e.Verdict, to, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, who := range []string{"a@b.test", "c@d.test", "a@b.test"} {
		done, err := Complete(t.Context(), st, pushes, e, How{Signer: signer(who)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if sent := done.Images[0].Referrers[3].Sent; sent != (i < 2) {
			t.Errorf("%d, %s: sent %v", i, who, sent)
		}
	}
	root, err := vouch.NewInstance(in.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := twiceregistry.Open(to.tag.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	who := map[string]int{}
	for d, err := range referrer.List(t.Context(), repo, e.Verdict.Image) {
		if err != nil {
			t.Fatal(err)
		}
		if d.ArtifactType != referrer.Bundle {
			continue
		}
		r, err := referrer.Read(t.Context(), repo, d, trust.MaxBundle)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := trust.Policy{Instance: root, Certified: true}.Verify(r.Data, e.Verdict.Image)
		if err != nil {
			t.Fatal(err)
		}
		who[signed.Identity.Name]++
	}
	if len(who) != 2 || who["a@b.test"] != 4 || who["c@d.test"] != 4 {
		t.Errorf("%v", who)
	}
}
