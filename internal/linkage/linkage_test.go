package linkage

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
)

// bench is a directory in which C programs are compiled, and the root file
// system of a base beside it.
type bench struct {
	t         testing.TB
	dir, root string
	multiarch string
	symlinks  map[string]string
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, dir: t.TempDir(), root: t.TempDir(), symlinks: map[string]string{}}
	b.multiarch = strings.TrimSpace(b.run("gcc", "-print-multiarch"))
	return b
}

func (b *bench) run(name string, args ...string) string {
	b.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = b.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// cc compiles a source text.
func (b *bench) cc(source, out string, args ...string) []byte {
	b.t.Helper()
	b.write(out+".c", source)
	b.run("gcc", append([]string{"-o", out, out + ".c", "-L."}, args...)...)
	p, err := os.ReadFile(filepath.Join(b.dir, out))
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// lib makes libNAME.so.1 and the link that the linker wants. Its versions are
// NAME_1 … NAME_n, with a function each.
func (b *bench) lib(name string, versions int, args ...string) []byte {
	b.t.Helper()
	source, script, before := "", "", ""
	for i := range versions {
		n := string(rune('1' + i))
		source += "int " + name + n + "(void) { return " + n + "; }\n"
		script += strings.ToUpper(name) + "_" + n + " { global: " + name + n + "; }" + before + ";\n"
		before = " " + strings.ToUpper(name) + "_" + n
	}
	so := "lib" + name + ".so.1"
	b.write(name+".map", script)
	args = append([]string{"-shared", "-fPIC", "-Wl,-soname=" + so}, args...)
	if versions > 0 {
		args = append(args, "-Wl,--version-script="+name+".map")
	} else {
		source = "int " + name + "1(void) { return 1; }\n"
	}
	p := b.cc(source, so, args...)
	os.Remove(filepath.Join(b.dir, "lib"+name+".so"))
	if err := os.Symlink(so, filepath.Join(b.dir, "lib"+name+".so")); err != nil {
		b.t.Fatal(err)
	}
	return p
}

// put puts a file in the base.
func (b *bench) put(name string, data []byte) {
	b.t.Helper()
	path := filepath.Join(b.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		b.t.Fatal(err)
	}
}

// libc puts this machine's C library in the base, with a merged /usr.
func (b *bench) libc(interpreter string) {
	b.t.Helper()
	for _, l := range []string{"libc.so.6", "libm.so.6"} {
		p, err := os.ReadFile(strings.TrimSpace(b.run("gcc", "-print-file-name="+l)))
		if err != nil {
			b.t.Fatal(err)
		}
		b.put("usr/lib/"+b.multiarch+"/"+l, p)
	}
	p, err := os.ReadFile(interpreter)
	if err != nil {
		b.t.Fatal(err)
	}
	b.put("usr/lib/"+b.multiarch+"/ld.so.2", p)
	b.symlinks["lib"] = "usr/lib"
	b.symlinks["lib64"] = "usr/lib64"
	b.symlinks["usr"+strings.TrimPrefix(interpreter, "/usr")] = "/lib/" + b.multiarch + "/ld.so.2"
}

func (b *bench) base() *Base {
	b.t.Helper()
	base, err := Collect(b.t.Context(), func(fn func(h *tar.Header, r io.Reader) error) error {
		for _, name := range slices.Sorted(maps.Keys(b.symlinks)) {
			if err := fn(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: b.symlinks[name]}, nil); err != nil {
				return err
			}
		}
		return filepath.WalkDir(b.root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			rel, err := filepath.Rel(b.root, p)
			if err != nil {
				return err
			}
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer f.Close()
			return fn(&tar.Header{Typeflag: tar.TypeReg, Name: rel}, f)
		})
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return base
}

// interpreter is the one that gcc links with.
func interpreter(t testing.TB, bin []byte) string {
	t.Helper()
	o, err := parse(bytes.NewReader(bin))
	if err != nil {
		t.Fatal(err)
	}
	if o.Interpreter == "" {
		t.Fatal("the program is static")
	}
	return o.Interpreter
}

const hello = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n"

// says is the text of an error, and "" of none.
func says(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestStatic(t *testing.T) {
	b := newBench(t)
	for _, how := range []string{"-static", "-static-pie"} {
		r, err := Check(bytes.NewReader(b.cc(hello, "hello"+how, how)), &Base{}, nil)
		if err != nil || !r.Static {
			t.Errorf("%s: %+v, %v", how, r, err)
		}
	}
}

func TestDynamic(t *testing.T) {
	b := newBench(t)
	bin := b.cc(hello, "hello")
	_, err := Check(bytes.NewReader(bin), &Base{}, nil)
	if got, want := says(err), "its interpreter "+interpreter(t, bin)+" is not in the base"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if fault.HintOf(err) == "" {
		t.Error("no hint")
	}
	b.libc(interpreter(t, bin))
	r, err := Check(bytes.NewReader(bin), b.base(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Result{Interpreter: interpreter(t, bin), Libraries: []Library{{"libc.so.6", "/usr/lib/" + b.multiarch + "/libc.so.6"}}}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
}

// usesFoo calls the newest function of libfoo.
const usesFoo = "int foo2(void); int main(void) { return foo2(); }\n"

func TestLibraries(t *testing.T) {
	b := newBench(t)
	lib := b.lib("foo", 2)
	bin := b.cc(usesFoo, "p", "-lfoo")
	b.libc(interpreter(t, bin))
	_, err := Check(bytes.NewReader(bin), b.base(), nil)
	if got := says(err); got != "it needs libfoo.so.1, which the base does not have" {
		t.Error(got)
	}
	var refused *Refused
	if !errors.As(err, &refused) || len(refused.Reasons) != 1 || fault.HintOf(err) == "" {
		t.Errorf("%#v", err)
	}
	base := b.base()
	base.Name = "runtime-cc"
	if _, err := Check(bytes.NewReader(bin), base, nil); says(err) != "it needs libfoo.so.1, which runtime-cc does not have" {
		t.Error(err)
	}
	r, err := Check(bytes.NewReader(bin), b.base(), []string{"libfoo.so.1"})
	if err != nil || !slices.Equal(r.Host, []string{"libfoo.so.1"}) {
		t.Errorf("%+v, %v", r, err)
	}
	b.put("usr/lib/"+b.multiarch+"/libfoo.so.1", lib)
	if _, err := Check(bytes.NewReader(bin), b.base(), nil); err != nil {
		t.Error(err)
	}
	b.put("usr/lib/"+b.multiarch+"/libfoo.so.1", []byte("not a library"))
	if _, err := Check(bytes.NewReader(bin), b.base(), nil); err == nil {
		t.Error("a text is taken for a library")
	}
}

func TestVersions(t *testing.T) {
	b := newBench(t)
	b.lib("foo", 2)
	bin := b.cc(usesFoo, "p", "-lfoo")
	b.libc(interpreter(t, bin))
	b.put("usr/lib/libfoo.so.1", b.lib("foo", 1))
	_, err := Check(bytes.NewReader(bin), b.base(), nil)
	if got := says(err); got != "it needs FOO_2 (for foo2) of libfoo.so.1, the base has FOO_1 at most" {
		t.Error(got)
	}
	// A library without versions is taken, with a warning of ld.so's.
	b.put("usr/lib/libfoo.so.1", b.lib("foo", 0))
	if _, err := Check(bytes.NewReader(bin), b.base(), nil); err != nil {
		t.Error(err)
	}
}

func TestNewest(t *testing.T) {
	have := []string{"GLIBC_2.2.5", "GLIBC_2.36", "GLIBC_2.4", "GLIBC_PRIVATE", "GLIBCXX_3.4", "GLIBC_ABI_DT_RELR"}
	for wanted, want := range map[string]string{"GLIBC_2.38": "GLIBC_2.36", "GLIBCXX_3.4.32": "GLIBCXX_3.4", "OPENSSL_3": "", "noversion": ""} {
		if got := newest(have, wanted); got != want {
			t.Errorf("%s: got %q, want %q", wanted, got, want)
		}
	}
}

func TestLibrariesOfLibraries(t *testing.T) {
	b := newBench(t)
	foo := b.lib("foo", 2)
	bar := b.cc("int foo2(void); int bar(void) { return foo2(); }\n", "libbar.so.1", "-shared", "-fPIC", "-Wl,-soname=libbar.so.1", "-lfoo")
	if err := os.Symlink("libbar.so.1", filepath.Join(b.dir, "libbar.so")); err != nil {
		t.Fatal(err)
	}
	bin := b.cc("int bar(void); int main(void) { return bar(); }\n", "p", "-lbar", "-Wl,--allow-shlib-undefined")
	b.libc(interpreter(t, bin))
	b.put("usr/lib/libbar.so.1", bar)
	if _, err := Check(bytes.NewReader(bin), b.base(), nil); says(err) != "libbar.so.1 needs libfoo.so.1, which the base does not have" {
		t.Error(err)
	}
	b.put("usr/lib/libfoo.so.1", foo)
	r, err := Check(bytes.NewReader(bin), b.base(), nil)
	if err != nil || len(r.Libraries) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	b.put("usr/lib/libfoo.so.1", b.lib("foo", 1))
	if _, err := Check(bytes.NewReader(bin), b.base(), nil); says(err) != "libbar.so.1 needs FOO_2 (for foo2) of libfoo.so.1, the base has FOO_1 at most" {
		t.Error(err)
	}
}

func TestSearchPaths(t *testing.T) {
	b := newBench(t)
	lib := b.lib("foo", 2)
	for _, c := range []struct {
		name, flag, where, at string
		found                 bool
	}{
		{"nowhere", "", "", "opt/x/libfoo.so.1", false},
		{"runpath", "-Wl,-rpath=/none:/opt/x", "", "opt/x/libfoo.so.1", true},
		{"rpath", "-Wl,--disable-new-dtags,-rpath=/opt/x", "", "opt/x/libfoo.so.1", true},
		{"relative runpath", "-Wl,-rpath=opt/x", "", "opt/x/libfoo.so.1", false},
		{"origin", "-Wl,-rpath=$ORIGIN/../x", "/opt/bin/p", "opt/x/libfoo.so.1", true},
		{"origin in braces", "-Wl,-rpath=${ORIGIN}/../x", "/opt/bin/p", "opt/x/libfoo.so.1", true},
		{"origin of a program without a place", "-Wl,-rpath=$ORIGIN/../x", "", "x/libfoo.so.1", false},
		{"lib64", "", "", "usr/lib64/libfoo.so.1", true},
		{"through a link", "-Wl,-rpath=/opt/current/lib", "", "opt/x/lib/libfoo.so.1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.root = t.TempDir()
			args := []string{"-lfoo"}
			if c.flag != "" {
				args = append(args, c.flag)
			}
			bin := b.cc(usesFoo, "p", args...)
			b.libc(interpreter(t, bin))
			b.symlinks["opt/current"] = "x"
			b.put(c.at, lib)
			if _, err := CheckAt(bytes.NewReader(bin), c.where, b.base(), nil); (err == nil) != c.found {
				t.Errorf("got %v", err)
			}
		})
	}
	bin := b.cc(usesFoo, "p", "-lfoo")
	b.root = t.TempDir()
	b.libc(interpreter(t, bin))
	b.put("opt/x/libfoo.so.1", lib)
	base := b.base()
	base.LibraryPath = []string{"/opt/x"}
	if _, err := Check(bytes.NewReader(bin), base, nil); err != nil {
		t.Errorf("LD_LIBRARY_PATH: %v", err)
	}
	// ld.so.conf counts only through the cache.
	b.put("etc/ld.so.conf", []byte("/opt/x\n"))
	if _, err := Check(bytes.NewReader(bin), b.base(), nil); err == nil {
		t.Error("found without a cache")
	}
	ldconfig, err := exec.LookPath("ldconfig")
	if err != nil {
		ldconfig = "/sbin/ldconfig"
	}
	b.run(ldconfig, "-r", b.root, "-X")
	if _, err := Check(bytes.NewReader(bin), b.base(), nil); err != nil {
		t.Errorf("ld.so.cache: %v", err)
	}
}

func TestLinksInCircles(t *testing.T) {
	base := &Base{Links: map[string]string{"lib": "usr/lib", "usr": "/lib/..", "a": "a", "x": "../../../../x/y"}}
	for _, p := range []string{"/lib/libc.so.6", "/a", "/a/b", "/x", "", "/"} {
		if o, at := base.object(p); o != nil || at != "" {
			t.Errorf("%s is %s", p, at)
		}
	}
}

func TestNotAProgram(t *testing.T) {
	b := newBench(t)
	bin := b.cc(hello, "hello")
	b.libc(interpreter(t, bin))
	base := b.base()
	other := bytes.Clone(bin)
	other[18], other[19] = 183, 0
	if m := base.machine(); m.ID == 183 {
		other[18] = 62
	}
	big := bytes.Clone(bin)
	big[5] = 2
	lib := b.lib("foo", 1)
	for _, c := range []struct {
		name string
		bin  []byte
		want string
	}{
		{"empty", nil, "not an ELF file"},
		{"a script", []byte("#!/bin/sh\n" + strings.Repeat("echo\n", 100)), "not an ELF file"},
		{"an object file", b.cc(hello, "hello.o", "-c"), "an object file or core dump, not a program or library"},
		{"a library", lib, "it is a library, not a program: it has no interpreter"},
		{"another machine", other, "it is for "},
		{"another byte order", big, "an object file or core dump"}, // as the type is read from the wrong end
		{"a cut header", bin[:60], "broken ELF file"},
		{"a cut file", bin[:len(bin)/8], "broken ELF file: it is cut"},
	} {
		if _, err := Check(bytes.NewReader(c.bin), base, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestMusl(t *testing.T) {
	b := newBench(t)
	bin := b.cc(hello, "hello", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1", "-lm")
	lib := b.lib("foo", 1)
	b.put("lib/ld-musl-x86_64.so.1", lib)
	o, err := parse(bytes.NewReader(bin))
	if err != nil {
		t.Fatal(err)
	}
	if o.Interpreter != "/lib/ld-musl-x86_64.so.1" {
		t.Fatal(o.Interpreter)
	}
	if _, err := Check(bytes.NewReader(bin), b.base(), nil); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	mutate.AddCorpus(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		o, err := parse(bytes.NewReader(p))
		if err == nil && o.Machine.Bits != 32 && o.Machine.Bits != 64 {
			t.Errorf("%+v", o)
		}
		if err == nil {
			_, _ = Check(bytes.NewReader(p), &Base{Objects: map[string]*Object{"lib/ld.so": o}, Links: map[string]string{"lib64": "lib"}}, nil)
		}
	})
}

func FuzzCache(f *testing.F) {
	mutate.AddCorpus(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		for name, paths := range parseCache(p) {
			if name == "" || len(paths) == 0 {
				t.Errorf("%q: %q", name, paths)
			}
		}
	})
}
