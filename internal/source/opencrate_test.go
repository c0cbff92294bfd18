package source

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/store"
)

// crateFile packs "path", "content" pairs, one second after the other.
func crateFile(t testing.TB, dir string, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := 0; i < len(pairs); i += 2 {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: dir + "/" + strings.TrimSuffix(pairs[i], "!"), Mode: 0o644, Size: int64(len(pairs[i+1])), ModTime: time.Unix(int64(1000-i), 0)}
		if strings.HasSuffix(pairs[i], "!") {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// A registry is a sparse registry on the loopback.
type registry struct {
	mu     sync.Mutex
	index  map[string]string
	crates map[string][]byte // by "name-version"
	asked  []string
}

func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q.URL.Path)
	name := q.URL.Path[strings.LastIndexByte(q.URL.Path, '/')+1:]
	switch {
	case name == "config.json":
		fmt.Fprintf(w, `{"dl":"http://%s/dl/{crate}-{version}"}`, q.Host)
	case strings.HasPrefix(q.URL.Path, "/dl/") && r.crates[name] != nil:
		w.Write(r.crates[name])
	case r.index[name] != "":
		fmt.Fprint(w, r.index[name])
	default:
		http.NotFound(w, q)
	}
}

func (r *registry) publish(name, version string, yanked bool, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.index[name] += fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":%v}`+"\n", name, version, sum(data), yanked)
	r.crates[name+"-"+version] = data
}

func (r *registry) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

func newRegistry(t *testing.T) (*registry, Options) {
	t.Helper()
	r := &registry{index: map[string]string{}, crates: map[string][]byte{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"TWICE_NO_DEFAULTS": "1", "HOME": t.TempDir()}
	resolver, err := address.New(address.Mirrors{Crates: []string{"sparse+" + server.URL + "/index/"}}, func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	f := &fetch.Fetcher{Store: st, Retry: fetch.Retry{Attempts: 1, Pause: time.Millisecond}}
	if err := resolver.Discover(context.Background(), f.Get); err != nil {
		t.Fatal(err)
	}
	return r, Options{Store: st, Fetcher: f, Resolver: resolver}
}

const (
	commitX = "0123456789abcdef0123456789abcdef01234567"
	lockX   = "version = 4\n\n[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\n"
)

func tool(t testing.TB, version string, more ...string) []byte {
	return crateFile(t, "tool-"+version, append([]string{
		"Cargo.toml", "[package]\nname = \"tool\"\nversion = \"" + version + "\"\nedition = \"2021\"\nrepository = \"https://git.test/tool\"\n",
		"src/main.rs", "fn main() {}", ".cargo_vcs_info.json", `{"git":{"sha1":"` + commitX + `"},"path_in_vcs":""}`}, more...)...)
}

func TestOpenCrate(t *testing.T) {
	r, opt := newRegistry(t)
	r.publish("tool", "0.9.0", false, tool(t, "0.9.0"))
	v1 := tool(t, "1.0.0", "Cargo.lock", lockX, "run!", "x")
	r.publish("tool", "1.0.0", false, v1)
	r.publish("tool", "1.10.0-rc.1", false, tool(t, "1.10.0-rc.1"))
	r.publish("tool", "1.2.0", true, tool(t, "1.2.0"))
	s := open(t, "crate:tool", opt)
	if s.Spec != "crate:tool@1.0.0" || s.Version != "1.0.0" || s.Name != "tool" || s.Checksum != sum(v1) || s.Commit != commitX || s.Kind != KindCrate || s.Dir != "" {
		t.Errorf("%+v", s)
	}
	if s.Epoch != 1000 || s.EpochFrom != FromCrate {
		t.Errorf("epoch %d, %s", s.Epoch, s.EpochFrom)
	}
	want := []string{"644 .cargo_vcs_info.json", "644 Cargo.lock", "644 Cargo.toml", "755 run", "644 src/main.rs"}
	var got []string
	for _, line := range listing(t, s.Tree) {
		name, _, _ := strings.Cut(line, " = ")
		got = append(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if w, err := cargo.Inspect(s.FS(), s.Dir); err != nil || w.Name != "tool" || len(w.Bins) != 1 || !w.HasLock {
		t.Errorf("Inspect: %+v, %v", w, err)
	}
	// The version is known now: no network is needed.
	n := r.requests()
	off := opt
	off.Offline = true
	open(t, "crate:tool@1.0.0", off)
	open(t, "crate:tool@1.0.0", opt)
	opt.Checksum = sum(v1)
	open(t, "crate:tool@1.0.0", opt)
	if r.requests() != n {
		t.Errorf("asked again: %q", r.asked[n:])
	}
}

func TestOpenCrateRefuses(t *testing.T) {
	r, opt := newRegistry(t)
	r.publish("tool", "1.0.0", false, tool(t, "1.0.0"))
	r.publish("liar", "1.0.0", false, tool(t, "1.0.0", "Cargo.lock", lockX))
	r.crates["liar-1.0.0"] = tool(t, "1.0.0")
	r.publish("gone", "1.0.0", true, tool(t, "1.0.0"))
	r.publish("evil", "1.0.0", false, crateFile(t, "evil-1.0.0/..", "x", "x"))
	r.index["junk"] = "<html>"
	r.index["sly"] = `{"name":"sly","vers":"../1","cksum":"` + sum(nil) + `"}`
	r.index["dash-ed"] = `{"name":"dash_ed","vers":"1.0.0","cksum":"` + sum(nil) + `"}`
	off := opt
	off.Offline = true
	for _, c := range []struct {
		spec       string
		opt        Options
		want, hint string
	}{
		{"crate:tool@1.0.0", opt, "without a Cargo.lock", "git+https://git.test/tool#" + commitX},
		{"crate:tool@2.0.0", opt, "no version 2.0.0", "cargo info tool"},
		{"crate:none", opt, "crate none", "cargo search none"},
		{"crate:liar@1.0.0", opt, "liar", ""},
		{"crate:gone", opt, "every version of crate gone was yanked", ""},
		{"crate:evil@1.0.0", opt, "climbs", ""},
		{"crate:junk", opt, "index of crate junk, line 1", ""},
		{"crate:sly", opt, "is not one", ""},
		{"crate:dash-ed", opt, "dash_ed under the name", "write crate:dash_ed"},
		{"crate:../x", opt, "is not one", "crate:NAME@1.2.3"},
		{"crate:tool@latest", opt, "is not one", "crate:NAME@1.2.3"},
		{"crate:", opt, "without a name", ""},
		{"crate:other@1.0.0", off, "can't be asked without a network", "twice fetch"},
		{"crate:tool", Options{}, "needs a store", ""},
	} {
		refuse(t, c.spec, c.opt, c.want, c.hint)
	}
	withSum := off
	withSum.Checksum = sum([]byte("never seen"))
	refuse(t, "crate:tool@1.0.0", withSum, "not in the store", "twice fetch")
	// follows: source: crate %s %s is not in the store, and nothing is to be fetched
	r.publish("later", "1.0.0", false, crateFile(t, "later-1.0.0", "Cargo.toml", "[package]\nname = \"later\"\nversion = \"1.0.0\"\n", "Cargo.lock", strings.ReplaceAll(lockX, "tool", "later"), "src/main.rs", ""))
	withSum.Checksum = sum(r.crates["later-1.0.0"])
	refuse(t, "crate:later@1.0.0", withSum, "not in the store", "twice fetch")
	open(t, "crate:later@1.0.0", opt)
	open(t, "crate:later@1.0.0", withSum)
	// What the index said once it has to say again.
	// follows: source: crate %s %s: the index says checksum %s, and said %s before
	said := r.index["later"]
	r.index["later"] = ""
	r.publish("later", "1.0.0", false, crateFile(t, "later-1.0.0", "Cargo.toml", "[package]\n"))
	refuse(t, "crate:later", opt, " before", "which mirror lies")
	r.index["later"] = said // the mirror that lied is out
	open(t, "crate:later", opt)
	r.index["tool"] = ""
	r.publish("tool", "1.0.0", false, tool(t, "1.0.0", "Cargo.lock", lockX))
	refuse(t, "crate:tool", opt, "and said "+sum(tool(t, "1.0.0"))+" before", "which mirror lies")
}

func TestNewestVersion(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"1.0.0", "0.9.9"}, {"1.10.0", "1.9.0"}, {"1.0.0", "2.0.0-rc.1"}, {"1.0.0-rc.10", "1.0.0-rc.9"}, {"1.0.0-rc.1", "1.0.0-beta"},
		{"1.0.0-a.1", "1.0.0-a"}, {"1.0.0-a", "1.0.0-1"}, {"1.0.0+b", "1.0.0+a"}, {"99999999999999999999.0.0", "2.0.0"},
	} {
		if !cargo.NewerVersion(c.a, c.b) || cargo.NewerVersion(c.b, c.a) || cargo.NewerVersion(c.a, c.a) {
			t.Errorf("%s should be newer than %s", c.a, c.b)
		}
	}
}

func FuzzParseIndex(f *testing.F) {
	mutate.Add(f, []byte(`{"name":"a","vers":"1.0.0","cksum":"`+sum(nil)+`","yanked":false}`+"\n"), "1.0.0")
	mutate.Add(f, []byte(`{"name":"a","vers":"1.0.0-x+y","cksum":"`+sum(nil)+`","yanked":true}`+"\n"), "")
	f.Fuzz(func(t *testing.T, data []byte, version string) {
		c, err := parseIndex(data, "a", version)
		if err == nil && (c.Check() != nil || c.Name != "a" || version != "" && c.Version != version) {
			t.Errorf("%+v was let through", c)
		}
	})
}

// Real crates of the real registry.
func TestRealCrates(t *testing.T) {
	if os.Getenv("TWICE_TEST_NETWORK") != "1" {
		t.Skip("TWICE_TEST_NETWORK is not 1")
	}
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	resolver, err := address.New(address.Mirrors{}, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	f := &fetch.Fetcher{Store: st, Client: resolver.HTTPClient()}
	if err := resolver.Discover(t.Context(), f.Get); err != nil {
		t.Log(err)
	}
	opt := Options{Store: st, Fetcher: f, Resolver: resolver}
	for spec, bin := range map[string]string{"crate:ripgrep@15.1.0": "rg", "crate:hyperfine@1.20.0": "hyperfine"} {
		s := open(t, spec, opt)
		w, err := cargo.Inspect(s.FS(), s.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.Bins) != 1 || w.Bins[0].Name != bin || !isCommit(s.Commit) || s.Epoch == 0 {
			t.Errorf("%s: %+v, commit %s, epoch %d", spec, w.Bins, s.Commit, s.Epoch)
		}
		release, err := w.Profile("release")
		if err != nil {
			t.Fatal(err)
		}
		data, err := fs.ReadFile(s.FS(), "Cargo.lock")
		if err != nil {
			t.Fatal(err)
		}
		lock, err := cargo.ParseLock(data)
		if err != nil {
			t.Fatal(err)
		}
		var items []fetch.Item
		for _, crate := range lock.Crates() {
			items = append(items, fetch.Item{Kind: "crate", Name: crate.Name, Digest: crate.Digest(), Size: -1, URLs: resolver.Crate(crate.Name, crate.Version)})
		}
		if err := f.Fetch(t.Context(), items); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		tree, closer, err := cargo.VendorTree(t.Context(), st, lock.Crates())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: checksum %s, commit %s, epoch %d, %d crates, %d files vendored in %v, release %+v",
			spec, s.Checksum, s.Commit, s.Epoch, len(items), tree.Len(), time.Since(start), release)
		closer.Close()
	}
}
