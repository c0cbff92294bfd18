package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"debug/elf"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/referrer"
	twiceregistry "github.com/craton-co/twice/internal/registry"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
)

// lyingRegistry is a registry that can be told to serve other bytes under a
// digest, and that counts what is sent to it.
type lyingRegistry struct {
	inner http.Handler

	login string // user:password; "": nobody is asked

	mu       sync.Mutex
	lie      string // a digest
	received int64
}

func (l *lyingRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); l.login != "" && user+":"+password != l.login {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	l.mu.Lock()
	lie := l.lie != "" && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/"+l.lie)
	l.received += max(r.ContentLength, 0)
	l.mu.Unlock()
	if !lie {
		l.inner.ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	l.inner.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	body[len(body)/2] ^= 1
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

// registries are those of the scripts that run.
var registries sync.Map // *testscript.TestScript → *lyingRegistry

// serve-registry [USER PASSWORD] starts an empty registry on the loopback
// interface, and sets REGISTRY.
func cmdServeRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 && len(args) != 2 {
		ts.Fatalf("usage: serve-registry [USER PASSWORD]")
	}
	l := &lyingRegistry{login: strings.Join(args, ":"), inner: registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))}
	srv := httptest.NewServer(l)
	registries.Store(ts, l)
	ts.Defer(srv.Close)
	ts.Setenv("REGISTRY", strings.TrimPrefix(srv.URL, "http://"))
}

func lying(ts *testscript.TestScript) *lyingRegistry {
	l, ok := registries.Load(ts)
	if !ok {
		ts.Fatalf("there is no registry: serve-registry starts one")
	}
	return l.(*lyingRegistry)
}

// lie DIGEST has the registry change a bit of what it serves under that digest;
// without one it is honest again.
func cmdLie(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: lie [DIGEST]")
	}
	l := lying(ts)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lie = strings.Join(args, "")
}

// push-image LAYOUT NAME pushes the image of a layout to the registry, as NAME, and
// sets IMAGE to its name by digest and LAYER to its last layer's digest.
func cmdPushImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: push-image LAYOUT NAME")
	}
	index, err := layout.ImageIndexFromPath(ts.MkAbs(args[0]))
	ts.Check(err)
	list, err := index.IndexManifest()
	ts.Check(err)
	img, err := index.Image(list.Manifests[0].Digest)
	ts.Check(err)
	tag, err := name.NewTag(ts.Getenv("REGISTRY") + "/" + args[1] + ":v1")
	ts.Check(err)
	ts.Check(remote.Write(tag, img))
	m, err := img.Manifest()
	ts.Check(err)
	ts.Setenv("IMAGE", tag.Context().Digest(list.Manifests[0].Digest.String()).String())
	ts.Setenv("LAYER", m.Layers[len(m.Layers)-1].Digest.String())
	ts.Setenv("TAG", tag.String())
}

// attach TYPE FILE [PREDICATE] attaches a file to the image, as what it is by its
// media type; a file that is signed by nobody in particular if there is a predicate.
func cmdAttach(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: attach TYPE FILE [PREDICATE]")
	}
	repository, d, _ := strings.Cut(ts.Getenv("IMAGE"), "@")
	repo, err := twiceregistry.OpenName(repository, twiceregistry.Options{})
	ts.Check(err)
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	r := referrer.Referrer{Type: args[0], Title: path.Base(args[1]), Data: data}
	if len(args) == 3 {
		r = referrer.OfBundle(envelope(ts, data), args[2])
	}
	desc, err := referrer.Push(context.Background(), repo, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(d), Size: 1}, r)
	ts.Check(err)
	ts.Setenv("ATTACHED", desc.Digest.String())
}

// envelope is a bundle with a signature that nobody can check.
func envelope(ts *testscript.TestScript, payload []byte) []byte {
	type signature struct {
		Sig []byte `json:"sig"`
	}
	data, err := json.Marshal(map[string]any{"mediaType": referrer.Bundle, "dsseEnvelope": map[string]any{
		"payload": payload, "payloadType": referrer.Statement, "signatures": []signature{{[]byte("nobody")}},
	}})
	ts.Check(err)
	return data
}

// run-record STATEMENT FILE writes a run record about a statement.
func cmdRunRecord(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: run-record STATEMENT FILE")
	}
	text := []byte(ts.ReadFile(args[0]))
	s, err := provenance.Parse(text)
	ts.Check(err)
	at := time.Date(2026, 11, 27, 1, 2, 3, 0, time.UTC)
	data, err := provenance.NewRecord(text, s, provenance.Run{Verdict: "REPRODUCIBLE", Start: at, Finish: at, Twice: "v0.0.1", Origin: "rust"}).JSON()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o644))
}

// restate FILE OLD NEW … writes a statement with texts replaced, in the form that it
// has; with its digests as they were. A text that isn't there is an error.
func cmdRestate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || len(args)%2 != 0 {
		ts.Fatalf("usage: restate FROM TO OLD NEW …")
	}
	data := []byte(ts.ReadFile(args[0]))
	for i := 2; i < len(args); i += 2 {
		if !bytes.Contains(data, []byte(args[i])) {
			ts.Fatalf("%s has no %q", args[0], args[i])
		}
		data = bytes.ReplaceAll(data, []byte(args[i]), []byte(args[i+1]))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o644))
}

// copy-referrers FROM [WHAT] attaches to the image what is attached to another, the
// same image in another repository, with one of it changed by somebody who has no
// key: the signature of the statement, the signed statement, or the signed record.
func cmdCopyReferrers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: copy-referrers FROM [signature|statement|record]")
	}
	ctx := context.Background()
	change, changed := strings.Join(args[1:], ""), 0
	from, _, _ := strings.Cut(args[0], "@")
	to, d, _ := strings.Cut(ts.Getenv("IMAGE"), "@")
	source, err := twiceregistry.OpenName(from, twiceregistry.Options{})
	ts.Check(err)
	target, err := twiceregistry.OpenName(to, twiceregistry.Options{})
	ts.Check(err)
	for desc, err := range referrer.List(ctx, source, digest.Digest(d)) {
		ts.Check(err)
		r, err := referrer.Read(ctx, source, desc, 64<<20)
		ts.Check(err)
		record := r.Annotations[referrer.AnnotationPredicate] == provenance.RecordType
		statement := r.Annotations[referrer.AnnotationPredicate] == provenance.SLSA
		if record && change == "record" || statement && (change == "statement" || change == "signature") {
			changed++
			var doc map[string]any
			ts.Check(json.Unmarshal(r.Data, &doc))
			e := doc["dsseEnvelope"].(map[string]any)
			where, at := e, "payload"
			if change == "signature" {
				where, at = e["signatures"].([]any)[0].(map[string]any), "sig"
			}
			raw, err := base64.StdEncoding.DecodeString(where[at].(string))
			ts.Check(err)
			switch change {
			case "signature":
				raw[len(raw)-1] ^= 1
			case "statement":
				raw = bytes.Replace(raw, []byte(`"epoch": 1700000000`), []byte(`"epoch": 1700000001`), 1)
			case "record":
				raw = bytes.Replace(raw, []byte("REPRODUCIBLE"), []byte("MISMATCH"), 1)
			}
			where[at] = base64.StdEncoding.EncodeToString(raw)
			r.Data, err = json.Marshal(doc)
			ts.Check(err)
		}
		_, err = referrer.Push(ctx, target, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(d), Size: 1}, r)
		ts.Check(err)
	}
	if (changed == 1) != (change != "") {
		ts.Fatalf("%d documents were changed", changed)
	}
}

// dep-list FILE prints the list of packages in a program to the file list, as
// cargo-auditable's readers find it: section .dep-v0, zlib.
func cmdDepList(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: dep-list FILE")
	}
	f, err := elf.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	s := f.Section(".dep-v0")
	if s == nil {
		ts.Fatalf("%s has no section .dep-v0", args[0])
	}
	data, err := s.Data()
	ts.Check(err)
	z, err := zlib.NewReader(bytes.NewReader(data))
	ts.Check(err)
	text, err := io.ReadAll(z) // to the checksum
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("list"), append(text, '\n'), 0o644))
}
