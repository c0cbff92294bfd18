package compose

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
)

// An archive is a Debian archive with one suite, served on loopback.
type archive struct {
	key   *openpgp.Entity
	more  string // fields of the release file
	files map[string][]byte
}

func newArchive(t testing.TB) *archive {
	t.Helper()
	key, err := openpgp.NewEntity("Test Archive", "", "archive@example.org", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return lockDate.AddDate(-1, 0, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &archive{key: key}
}

func (a *archive) keyring(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := a.key.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// publish makes packages, the text of an index, the archive's state at date.
func (a *archive) publish(t testing.TB, codename string, date time.Time, packages string) {
	t.Helper()
	var index bytes.Buffer
	w, err := xz.NewWriter(&index)
	if err == nil {
		_, err = w.Write([]byte(packages))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(index.Bytes()))
	release := fmt.Sprintf("Codename: %s\nSuite: stable\nVersion: 12.15\nDate: %s\nArchitectures: amd64\nComponents: main\n%sSHA256:\n %s %d main/binary-amd64/Packages.xz\n",
		codename, date.Format("Mon, 02 Jan 2006 15:04:05 UTC"), a.more, sum, index.Len())
	var signed bytes.Buffer
	s, err := clearsign.Encode(&signed, a.key.PrivateKey, &packet.Config{Time: func() time.Time { return date }})
	if err == nil {
		_, err = s.Write([]byte(release))
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	a.files = map[string][]byte{
		"/dists/bookworm/InRelease":                               signed.Bytes(),
		"/dists/bookworm/main/binary-amd64/by-hash/SHA256/" + sum: index.Bytes(),
	}
}

func (a *archive) serve(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := a.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(b)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// only returns a resolver that knows these mirrors and no other address.
func only(t testing.TB, mirrors ...string) *address.Resolver {
	t.Helper()
	env := map[string]string{"TWICE_NO_DEFAULTS": "1", "HOME": t.TempDir(), "XDG_CONFIG_HOME": t.TempDir()}
	r, err := address.New(address.Mirrors{Debian: mirrors, Snapshot: []string{"http://127.0.0.1:1/snapshot"}}, func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func entry(name, version, more string) string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nFilename: pool/main/x/%s_%s_amd64.deb\nSize: 9\nSHA256: %x\n%s\n",
		name, version, name, version, sha256.Sum256([]byte(name+version)), more)
}

const lockText = `
name = "test"
description = ""
suite = "bookworm"
component = "main"
architecture = "amd64"
packages = ["gcc"]
database = "none"
compression = "zstd"
[group.git]
packages = ["git"]
`

func index(version string) string {
	return entry("gcc", version, "Depends: libc6\n") + entry("libc6", version, "") +
		entry("git", version, "Depends: libcurl, libc6\n") + entry("libcurl", version, "") +
		entry("cmake", version, "Depends: libcurl, libc6 (>= 1)\n")
}

func summary(l images.Lock) []string {
	var out []string
	for _, p := range l.Packages {
		s := p.Name + " " + p.Version
		if len(p.Groups) > 0 {
			s += fmt.Sprint(" ", p.Groups)
		}
		if p.ListedAt != "" {
			s += " of " + p.ListedAt
		}
		out = append(out, s)
	}
	return out
}

func TestLockFromArchive(t *testing.T) {
	ctx := context.Background()
	a := newArchive(t)
	a.publish(t, "bookworm", lockDate, index("1"))
	def, err := images.Parse([]byte(lockText), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := only(t, a.serve(t))
	lock := func(opt LockOptions) (images.Lock, error) {
		return lockImage(ctx, &fetch.Fetcher{Store: testStore(t)}, r, def, opt, a.keyring(t))
	}
	first, err := lock(LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"gcc 1", "git 1 [git]", "libc6 1", "libcurl 1 [git]"}
	if d := cmp.Diff(want, summary(first)); d != "" {
		t.Error(d)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(a.files["/dists/bookworm/InRelease"]))
	if first.InRelease.SHA256 != sum || first.InRelease.Signer != "Test Archive <archive@example.org>" || !first.Date.Equal(lockDate) || first.Release != "12.15" {
		t.Errorf("lock %+v", first)
	}
	// The encoded form is stable and comes back as it was.
	text, err := first.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := images.ParseLock(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, *back); d != "" {
		t.Error(d)
	}

	// A project's package joins; what others have keeps its place.
	extra, err := lock(LockOptions{Extra: []string{"cmake", "gcc"}, Keep: &first})
	if err != nil {
		t.Fatal(err)
	}
	want = []string{"cmake 1 [extra]", "gcc 1", "git 1 [git]", "libc6 1", "libcurl 1 [extra git]"}
	if d := cmp.Diff(want, summary(extra)); d != "" {
		t.Error(d)
	}
	def.Lock = extra
	with, err := def.With(images.Extra)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"cmake 1", "gcc 1", "libc6 1", "libcurl 1"}, itemNames(Items(with, r))); d != "" {
		t.Error(d)
	}

	// The archive moves on: what is kept stays, only what a project asks for
	// comes from the new state, and keeps its date once it is kept itself.
	a.publish(t, "bookworm", lockDate.AddDate(0, 2, 0), strings.ReplaceAll(index("2"), entry("libcurl", "2", ""), entry("libcurl", "1", "")))
	moved, err := lock(LockOptions{Extra: []string{"cmake"}, Keep: &extra})
	if err != nil {
		t.Fatal(err)
	}
	old := " of " + lockDate.Format(time.RFC3339)
	want = []string{"cmake 2 [extra]", "gcc 1" + old, "git 1 [git]" + old, "libc6 1" + old, "libcurl 1 [extra git]"}
	if d := cmp.Diff(want, summary(moved)); d != "" {
		t.Error(d)
	}
	// Once it is gone from the archive, the snapshot archive has it at its time.
	def.Lock = moved
	with, err = def.With(images.Extra)
	if err != nil {
		t.Fatal(err)
	}
	items := Items(with, r)
	for i, at := range map[int]string{0: "20260912T101637Z", 1: "20260712T101637Z"} { // cmake, gcc
		if urls := items[i].URLs; !strings.Contains(urls[len(urls)-1], at) {
			t.Errorf("%s: %q, want one of %s", items[i].Name, urls, at)
		}
	}
	all, err := lock(LockOptions{})
	if err != nil || summary(all)[0] != "gcc 2" {
		t.Errorf("all anew: %v, %v", summary(all), err)
	}

	// What two groups share can't be kept for one and new for the other.
	a.publish(t, "bookworm", lockDate.AddDate(0, 3, 0), index("3"))
	_, err = lock(LockOptions{Extra: []string{"cmake"}, Keep: &moved})
	if err == nil || !strings.Contains(err.Error(), "needs libcurl 3, locked for group git is 1") || fault.HintOf(err) == "" {
		t.Errorf("one package in two versions: %v", err)
	}

	// A mirror that has an older state than the lock is of no use.
	a.publish(t, "bookworm", lockDate.AddDate(0, 0, -1), index("0"))
	_, err = lock(LockOptions{Keep: &first})
	if err == nil || !strings.Contains(err.Error(), "out of date") || fault.HintOf(err) == "" {
		t.Errorf("an older state: %v", err)
	}
}

func itemNames(items []fetch.Item) []string {
	var out []string
	for _, it := range items {
		out = append(out, it.Name)
	}
	return out
}

func TestLockSkipsBadMirrors(t *testing.T) {
	ctx := context.Background()
	good, stranger, other, frozen := newArchive(t), newArchive(t), newArchive(t), newArchive(t)
	good.publish(t, "bookworm", lockDate, index("1"))
	stranger.publish(t, "bookworm", lockDate, index("6.6.6"))
	other.key = good.key
	other.publish(t, "trixie", lockDate, index("13"))
	frozen.key, frozen.more = good.key, "Valid-Until: Sat, 18 Jul 2020 10:16:37 UTC\n"
	frozen.publish(t, "bookworm", lockDate, index("0"))
	page := &archive{files: map[string][]byte{"/dists/bookworm/InRelease": []byte("<html>please log in</html>")}}
	def, err := images.Parse([]byte(lockText), nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{page.serve(t), stranger.serve(t), other.serve(t), frozen.serve(t)}
	f := &fetch.Fetcher{Store: testStore(t), Retry: fetch.Retry{Attempts: 1, Pause: time.Millisecond}}
	lock, err := lockImage(ctx, f, only(t, append(slices.Clone(bad), good.serve(t))...), def, LockOptions{}, good.keyring(t))
	if err != nil || summary(lock)[0] != "gcc 1" {
		t.Errorf("%v, %v", summary(lock), err)
	}
	_, err = lockImage(ctx, f, only(t, bad...), def, LockOptions{}, good.keyring(t))
	for _, want := range []string{"not a clear-signed message", "no good signature", "it is the release file of trixie", "was valid until 2020-07-18"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// testdata/Packages-<arch> is what the real index has on the packages of our images
// and on all that could stand in for one of them. TestLock -update writes it.
func TestCommittedLocksAreStable(t *testing.T) {
	ix := map[string]*debian.Index{}
	for _, arch := range []string{"amd64", "arm64"} {
		f, err := os.Open("testdata/Packages-" + arch)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if ix[arch], err = debian.ParsePackages(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range images.Names() {
		def, err := images.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := resolve(ix[def.Architecture], def, LockOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(def.Lock.Packages, got); d != "" {
			t.Errorf("%s: images/%s/lock.toml is not what image.toml asks for (-lock +resolved):\n%s", name, name, d)
		}
	}
}
