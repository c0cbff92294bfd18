package compose

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// compose returns the tree of def, one line an entry: type and mode, owner,
// time if it isn't that of every file in these tests, path, content or target.
func compose(t testing.TB, def images.Definition, st *store.Store) ([]string, error) {
	t.Helper()
	tree, closer, err := Tree(context.Background(), st, def)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return list(t, tree), nil
}

func list(t testing.TB, tree *layer.Tree) []string {
	t.Helper()
	kinds := map[byte]string{tar.TypeReg: "-", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeLink: "h"}
	var out []string
	for _, e := range tree.Entries() {
		s := fmt.Sprintf("%s%04o", kinds[e.Type], e.Mode)
		if e.UID != 0 || e.GID != 0 {
			s += fmt.Sprintf(" %d:%d", e.UID, e.GID)
		}
		if e.ModTime != 1_600_000_000 {
			s += fmt.Sprintf(" @%d", e.ModTime)
		}
		s += " " + e.Path
		if e.Linkname != "" {
			s += " -> " + e.Linkname
		}
		if e.Size > 0 {
			s += fmt.Sprintf(" %q", content(t, e))
		}
		out = append(out, s)
	}
	return out
}

func content(t testing.TB, e layer.Entry) string {
	t.Helper()
	r, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func check(t *testing.T, got []string, err error, want string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(strings.Trim(want, "\n"), "\n"), got); d != "" {
		t.Errorf("tree (-want +got):\n%s", d)
	}
}

func TestMergedUsr(t *testing.T) {
	st := testStore(t)
	def := define(t, st, "",
		deb{name: "libc6", version: "1", files: []tar.Header{
			dir("./", 0o755), dir("./lib/", 0o755), file("./lib/libc.so", "c"), dir("./lib64/", 0o755), symlink("./lib64/ld.so", "/lib/ld.so"),
		}},
		deb{name: "tools", version: "1", files: []tar.Header{
			file("./bin/a", "a"), hardlink("./usr/bin/b", "./bin/a"), file("./usr/lib/x", ""), file("./binary", "top"),
		}})
	got, err := compose(t, def, st)
	check(t, got, err, `
l0777 @0 bin -> usr/bin
-0644 binary "top"
l0777 @0 lib -> usr/lib
l0777 @0 lib64 -> usr/lib64
l0777 @0 sbin -> usr/sbin
d0755 @0 usr
d0755 @0 usr/bin
-0644 usr/bin/a "a"
h0644 usr/bin/b -> usr/bin/a
d0755 usr/lib
-0644 usr/lib/libc.so "c"
-0644 usr/lib/x
d0755 usr/lib64
l0777 usr/lib64/ld.so -> /lib/ld.so
d0755 @0 usr/sbin
`)
}

func TestTimesOwnersAndDirectories(t *testing.T) {
	st := testStore(t)
	future, owned := file("./new", ""), file("./owned", "")
	future.ModTime = lockDate.Add(time.Hour)
	owned.Uid, owned.Gid, owned.Mode, owned.Uname = 8, 42, 0o4755, "mail"
	old := file("./old", "")
	old.ModTime = time.Unix(-5, 0)
	old.Format = tar.FormatGNU
	def := define(t, st, "",
		deb{name: "aaa", version: "1", files: []tar.Header{dir("./tmp/", 0o755), dir("./var/", 0o700), dir("./var/x", 0o711)}},
		deb{name: "base-files", version: "1", files: []tar.Header{dir("./tmp/", 0o1777), dir("./var/", 0o755)}},
		deb{name: "zzz", version: "1", files: []tar.Header{future, owned, old, dir("./var/x", 0o777)}})
	got, err := compose(t, def, st)
	check(t, got, err, fmt.Sprintf(`
l0777 @0 bin -> usr/bin
l0777 @0 lib -> usr/lib
-0644 @%d new
-0644 @0 old
-4755 8:42 owned
l0777 @0 sbin -> usr/sbin
d1777 tmp
d0755 @0 usr
d0755 @0 usr/bin
d0755 @0 usr/lib
d0755 @0 usr/sbin
d0755 var
d0711 var/x
`, lockDate.Unix()))
}

func TestDropAndKeep(t *testing.T) {
	st := testStore(t)
	def := define(t, st, `
drop = ["usr/share/doc", "usr/share/man", "etc/*.old", "opt"]
keep = ["usr/share/doc/*/copyright", "usr/share/doc/*@"]
`, deb{name: "a", version: "1", files: []tar.Header{
		dir("./usr/share/doc/", 0o755), dir("./usr/share/doc/a/", 0o755), file("./usr/share/doc/a/copyright", "©"),
		file("./usr/share/doc/a/changelog.gz", "x"), symlink("./usr/share/doc/b", "a"), symlink("./usr/share/doc/a/link", "x"),
		file("./usr/share/man/man1/a.1", "x"), file("./usr/share/manual", "stays"), file("./etc/a.old", "x"), file("./etc/a", "y"),
		dir("./opt/", 0o755), file("./opt/a/b", "x"),
	}})
	got, err := compose(t, def, st)
	check(t, got, err, `
l0777 @0 bin -> usr/bin
d0755 @0 etc
-0644 etc/a "y"
l0777 @0 lib -> usr/lib
l0777 @0 sbin -> usr/sbin
d0755 @0 usr
d0755 @0 usr/bin
d0755 @0 usr/lib
d0755 @0 usr/sbin
d0755 @0 usr/share
d0755 @0 usr/share/doc
d0755 @0 usr/share/doc/a
-0644 usr/share/doc/a/copyright "©"
l0777 usr/share/doc/b -> a
-0644 usr/share/manual "stays"
`)
}

const twoCerts = "-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----\n"

func TestFinish(t *testing.T) {
	st := testStore(t)
	def := define(t, st, `
database = "status.d"
certificates = true
drop = ["usr/share/ca-certificates"]
[[dir]]
path = "home/nonroot"
mode = 0o700
uid = 65532
gid = 65532
[copies]
"etc/passwd" = "usr/share/base-passwd/passwd.master"
[[file]]
path = "etc/group"
mode = 0o640
gid = 42
content = "root:x:0:\n"
[links]
"bin/cc" = "gcc"
"etc/localtime" = "/lib/gcc"
`,
		deb{name: "gcc", version: "1", control: "Description: x\n", files: []tar.Header{file("./usr/bin/gcc", "elf"), dir("./usr/lib/gcc/", 0o755)}},
		deb{name: "ca-certificates", version: "1", files: []tar.Header{
			file("./usr/share/ca-certificates/mozilla/b.crt", twoCerts), file("./usr/share/ca-certificates/mozilla/a.crt", strings.TrimSuffix(strings.ReplaceAll(twoCerts, "B\n", "A\n"), "\n")),
		}},
		deb{name: "base-passwd", version: "1", files: []tar.Header{file("./usr/share/base-passwd/passwd.master", "root:*:0:0:\n")}})
	got, err := compose(t, def, st)
	check(t, got, err, `
l0777 @0 bin -> usr/bin
d0755 @0 etc
-0640 0:42 @0 etc/group "root:x:0:\n"
l0777 @0 etc/localtime -> /lib/gcc
-0644 etc/passwd "root:*:0:0:\n"
d0755 @0 etc/ssl
d0755 @0 etc/ssl/certs
-0644 @0 etc/ssl/certs/ca-certificates.crt "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----\n"
d0755 @0 home
d0700 65532:65532 @0 home/nonroot
l0777 @0 lib -> usr/lib
l0777 @0 sbin -> usr/sbin
d0755 @0 usr
d0755 @0 usr/bin
l0777 @0 usr/bin/cc -> gcc
-0644 usr/bin/gcc "elf"
d0755 @0 usr/lib
d0755 usr/lib/gcc
d0755 @0 usr/sbin
d0755 @0 usr/share
d0755 @0 usr/share/base-passwd
-0644 usr/share/base-passwd/passwd.master "root:*:0:0:\n"
d0755 @0 var
d0755 @0 var/lib
d0755 @0 var/lib/dpkg
d0755 @0 var/lib/dpkg/status.d
-0644 @0 var/lib/dpkg/status.d/base-passwd "Package: base-passwd\nVersion: 1\nArchitecture: amd64\n"
-0644 @0 var/lib/dpkg/status.d/base-passwd.md5sums "d41d8cd98f00b204e9800998ecf8427e  usr/share/base-passwd/passwd.master\n"
-0644 @0 var/lib/dpkg/status.d/ca-certificates "Package: ca-certificates\nVersion: 1\nArchitecture: amd64\n"
-0644 @0 var/lib/dpkg/status.d/ca-certificates.md5sums "d41d8cd98f00b204e9800998ecf8427e  usr/share/ca-certificates/mozilla/b.crt\nd41d8cd98f00b204e9800998ecf8427e  usr/share/ca-certificates/mozilla/a.crt\n"
-0644 @0 var/lib/dpkg/status.d/gcc "Package: gcc\nVersion: 1\nArchitecture: amd64\nDescription: x\n"
-0644 @0 var/lib/dpkg/status.d/gcc.md5sums "d41d8cd98f00b204e9800998ecf8427e  usr/bin/gcc\n"
`)
}

func TestStatusDatabase(t *testing.T) {
	st := testStore(t)
	def := define(t, st, "database = \"status\"\ndrop = [\"usr/share/man\"]\n",
		deb{name: "a", version: "1", files: []tar.Header{file("./bin/a", ""), file("./usr/share/man/a.1", "")}},
		deb{name: "liba", version: "2", control: "Multi-Arch: same\n", files: []tar.Header{file("./lib/liba.so", "")}})
	tree, closer, err := Tree(context.Background(), st, def)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	for path, want := range map[string]string{
		"status": "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n" +
			"Package: liba\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\nMulti-Arch: same\n\n",
		"info/a.list":             "/.\n/usr/bin/a\n",
		"info/liba:amd64.list":    "/.\n/usr/lib/liba.so\n",
		"info/liba:amd64.md5sums": "d41d8cd98f00b204e9800998ecf8427e  lib/liba.so\n",
		"info/format":             "1\n",
	} {
		e, ok := tree.Get("var/lib/dpkg/" + path)
		if !ok {
			t.Errorf("no %s", path)
		} else if got := content(t, e); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	fifo := tar.Header{Typeflag: tar.TypeFifo, Name: "./pipe"}
	device := tar.Header{Typeflag: tar.TypeChar, Name: "./dev/null", Devmajor: 1, Devminor: 3}
	one := func(files ...tar.Header) []deb { return []deb{{name: "evil", version: "1", files: files}} }
	for name, c := range map[string]struct {
		text string
		debs []deb
		want string
	}{
		"above the root":         {"", one(file("./../etc/passwd", "x")), "package evil 1: reading tar: "},
		"absolute":               {"", one(file("/etc/passwd", "x")), "absolute"},
		"a device":               {"", one(device), "a device or fifo"},
		"a fifo":                 {"", one(fifo), "a device or fifo"},
		"through a link":         {"", one(symlink("./etc", "/host"), file("./etc/passwd", "x")), "its parent etc is not a directory"},
		"through a file":         {"", one(file("./etc", "x"), file("./etc/passwd", "x")), "its parent etc is not a directory"},
		"a merged link":          {"", one(symlink("./bin", "/host"), file("./bin/sh", "x")), "its parent usr/bin is not a directory"},
		"hard link out":          {"", one(hardlink("./x", "../../etc/shadow")), "hard link"},
		"hard link to nothing":   {"", one(hardlink("./x", "./y")), "not a file in the tree"},
		"hard link to a link":    {"", one(symlink("./y", "/etc/shadow"), hardlink("./x", "./y")), "not a file in the tree"},
		"a path twice":           {"", one(file("./bin/a", "1"), file("./usr/bin/a", "2")), "usr/bin/a: twice in the package"},
		"a file of two packages": {"", append(one(file("./a", "1")), deb{name: "good", version: "1", files: []tar.Header{file("./a", "1")}}), "package good: a: also in evil"},
		"a file and a directory": {"", append(one(dir("./a", 0o755)), deb{name: "good", version: "1", files: []tar.Header{file("./a", "1")}}), "a directory here or in evil"},
		"nothing":                {"", one(), "hold no files"},
		"a link to nothing":      {"[links]\n\"usr/bin/cc\" = \"gcc\"\n", one(file("./a", "")), "link usr/bin/cc: nothing is at its target gcc"},
		"a copy of nothing":      {"[copies]\n\"etc/passwd\" = \"x\"\n", one(file("./a", "")), "copy etc/passwd: no package has the file x"},
		"no certificates":        {"certificates = true\n", one(file("./a", "")), "no certificates"},
		"not a certificate":      {"certificates = true\n", one(file("./usr/share/ca-certificates/x.crt", "x")), "not a PEM certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			st := testStore(t)
			got, err := compose(t, define(t, st, c.text, c.debs...), st)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q; tree %q", err, c.want, got)
			}
		})
	}
}

func TestReplaces(t *testing.T) {
	st := testStore(t)
	def := define(t, st, "",
		deb{name: "old", version: "1", files: []tar.Header{file("./a", "old"), file("./b", "old")}},
		deb{name: "new", version: "2", control: "Replaces: old (<< 2)\n", files: []tar.Header{file("./a", "new")}})
	got, err := compose(t, def, st)
	if err != nil || got[0] != `-0644 a "new"` || got[1] != `-0644 b "old"` {
		t.Errorf("%q, %v", got, err)
	}
	def = define(t, st, "",
		deb{name: "old", version: "2", files: []tar.Header{file("./a", "old")}},
		deb{name: "new", version: "2", control: "Replaces: old (<< 2)\n", files: []tar.Header{file("./a", "new")}})
	if _, err := compose(t, def, st); err == nil {
		t.Error("a Replaces of other versions counts")
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	st := testStore(t)
	var debs []deb
	for i := range 12 {
		name := fmt.Sprintf("p%02d", i)
		debs = append(debs, deb{name: name, version: "1", control: fmt.Sprintf("Replaces: p%02d\n", i+1), files: []tar.Header{
			dir("./usr/share/", int64(0o700+i)), file("./usr/share/"+name, name), file("./usr/share/"+fmt.Sprintf("p%02d", i+1), "taken"),
			hardlink("./a"+name, "./usr/share/"+name),
		}})
	}
	def := define(t, st, "", debs...)
	want, err := compose(t, def, st)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		rand.Shuffle(len(def.Lock.Packages), func(i, j int) {
			p := def.Lock.Packages
			p[i], p[j] = p[j], p[i]
		})
		got, err := compose(t, def, st)
		check(t, got, err, strings.Join(want, "\n"))
	}
}

func TestWhatTheLockSaysMustHold(t *testing.T) {
	st := testStore(t)
	def := define(t, st, "", deb{name: "a", version: "1", files: []tar.Header{file("./a", "")}})
	def.Lock.Packages[0].Version = "2"
	if _, err := compose(t, def, st); err == nil || !strings.Contains(err.Error(), `its control file has Version: "1", the lock "2"`) {
		t.Errorf("another version: %v", err)
	}
	def.Lock.Packages[0].SHA256 = strings.Repeat("0", 64)
	_, err := compose(t, def, st)
	if err == nil || !strings.Contains(err.Error(), "not in the store") || fault.HintOf(err) == "" {
		t.Errorf("not there: %v, hint %q", err, fault.HintOf(err))
	}
	def.Lock.Packages = nil
	if _, err := compose(t, def, st); err == nil || !strings.Contains(err.Error(), "no packages") {
		t.Errorf("no packages: %v", err)
	}
}

func TestSpoolIsGone(t *testing.T) {
	st := testStore(t)
	def := define(t, st, "", deb{name: "a", version: "1", files: []tar.Header{file("./a", "content")}})
	if _, err := compose(t, def, st); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(st.Dir(), "ingest"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
