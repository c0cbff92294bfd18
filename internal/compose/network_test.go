package compose

import (
	"bytes"
	"context"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/store"
)

// The maintainers' way to move the committed locks to the archive's state:
//
//	TWICE_TEST_NETWORK=1 go test ./internal/compose -run TestLock$ -update
var update = flag.Bool("update", false, "rewrite images/*/lock.toml from Debian's archive as it is now")

// network returns a fetcher for the real archive and where that is, or skips.
func network(t testing.TB) (*fetch.Fetcher, *address.Resolver) {
	t.Helper()
	if os.Getenv("TWICE_TEST_NETWORK") != "1" {
		t.Skip("needs Debian's archive; set TWICE_TEST_NETWORK=1")
	}
	r, err := address.New(address.Mirrors{}, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	return &fetch.Fetcher{Store: testStore(t)}, r
}

func testStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestLock(t *testing.T) {
	f, r := network(t)
	ctx := context.Background()
	var locks []images.Lock
	for _, name := range images.Names() {
		text, err := os.ReadFile("../../images/" + name + "/image.toml")
		if err != nil {
			t.Fatal(err)
		}
		def, err := images.Parse(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		out := make([][]byte, 1)
		if name == "builder-rust" { // the same for all, and an index takes seconds
			out = make([][]byte, 2)
		}
		for i := range out {
			lock, err := Lock(ctx, f, r, def, LockOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if out[i], err = lock.Encode(); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				locks = append(locks, lock)
			}
		}
		if last := out[len(out)-1]; !bytes.Equal(out[0], last) {
			t.Errorf("%s: two locks of one archive differ:\n%s\n%s", name, out[0], last)
		}
		if _, err := images.ParseLock(out[0]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if *update {
			if err := os.WriteFile("../../images/"+name+"/lock.toml", out[0], 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if *update {
		for _, arch := range []string{"amd64", "arm64"} {
			writeExcerpt(t, f.Store, arch, slices.DeleteFunc(slices.Clone(locks), func(l images.Lock) bool { return l.Architecture != arch }))
		}
	}
}

// writeExcerpt writes testdata/Packages-<arch>: of the index that the locks are from
// the paragraphs of their packages, and of every package that has, or provides,
// a name that those depend on.
func writeExcerpt(t *testing.T, st *store.Store, arch string, locks []images.Lock) {
	blob, err := st.Open(digest.NewDigestFromEncoded(digest.SHA256, locks[0].Index.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	r, err := debian.Decompress(context.Background(), "Packages.xz", blob)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	fields := regexp.MustCompile(`(?m)^(Package|Version|Source|Essential|Architecture|Priority|Pre-Depends|Depends|Provides|Conflicts|Breaks|Filename|Size|SHA256): .*\n`)
	relation := regexp.MustCompile(`(?m)(?:^(?:Pre-Depends|Depends|Provides): |[,|] )([a-z0-9][a-z0-9+.-]+)`)
	named := regexp.MustCompile(`(?m)^(Pre-)?Depends: .*\n`)
	provided := regexp.MustCompile(`(?m)^Provides: .*\n`)

	wanted, names := map[string]bool{}, map[string]bool{}
	for _, l := range locks {
		for _, p := range l.Packages {
			wanted[p.Name] = true
		}
	}
	paragraphs := map[string]string{}
	for p := range strings.SplitSeq(string(text), "\n\n") {
		p += "\n"
		p = strings.Join(fields.FindAllString(p, -1), "")
		name, _, _ := strings.Cut(strings.TrimPrefix(p, "Package: "), "\n")
		paragraphs[name] = p
		if wanted[name] {
			for _, m := range relation.FindAllStringSubmatch(strings.Join(named.FindAllString(p, -1), ""), -1) {
				names[m[1]] = true
			}
		}
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(paragraphs)) {
		ok := wanted[name] || names[name]
		for _, m := range relation.FindAllStringSubmatch(provided.FindString(paragraphs[name]), -1) {
			ok = ok || names[m[1]]
		}
		if ok && name != "" {
			out.WriteString(paragraphs[name] + "\n")
		}
	}
	if err := os.WriteFile("testdata/Packages-"+arch, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
