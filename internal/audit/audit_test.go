package audit

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

var places = Places{Source: "/build/app", CargoHome: "/cargo", Target: "/build/app/target", Sysroot: "/usr/local"}

// log is a build of two crates with a build script each, and of a macro: lines
// with spaces for tabs; a name says which program a line is of.
const log = `
P 1 0 /usr/local/bin/cargo /build/app cargo build
P 2 1 /usr/bin/dash /build/app /bin/sh /cargo/rustc
V 2 CARGO_CRATE_NAME=build_script_build
V 2 CARGO_PKG_NAME=dep
P 3 2 /usr/local/bin/rustc /cargo rustc --crate-name build_script_build
V 3 CARGO_CRATE_NAME=build_script_build
V 3 CARGO_PKG_NAME=dep
V 3 CARGO_PKG_VERSION=1.2.3
V 3 CARGO_MANIFEST_DIR=/cargo/registry/src/index-1/dep-1.2.3
P 4 1 /build/app/target/release/build/dep-0123456789abcdef/build-script-build /x build-script-build
V 4 CARGO_PKG_NAME=dep
V 4 CARGO_PKG_VERSION=1.2.3
V 4 CARGO_MANIFEST_DIR=/cargo/registry/src/index-1/dep-1.2.3
V 4 OUT_DIR=/build/app/target/release/build/dep-0123456789abcdef/out
E 4 OUT_DIR /x
E 4 CC /x
R 4 /cargo/registry/src/index-1/dep-1.2.3/src/a.c
R 4 /cargo/registry/src/index-1/other-2.0.0/include/a.h
R 4 /cargo/registry/src/index-1/other-2.0.0/include/b.h
R 4 /build/app/target/release/build/zlib-sys-0123456789abcdef/out/include/zlib.h
W 4 /build/app/target/release/build/dep-0123456789abcdef/out/x
W 4 /tmp/x
D 4 /tmp/x
R 4 /proc/4711/maps
R 4 /etc/passwd%0aname
A 4 /usr/local/lib/libgcc_s.so.1 ENOENT
X 4 /usr/local/bin/cc ENOENT
X 4 /usr/bin/pkg-config ENOENT
P 5 4 /usr/bin/x86_64-linux-gnu-gcc-12 /x cc -c a.c
R 5 /usr/include/stdio.h
E 5 TMPDIR cc
P 6 5 /usr/lib/gcc/x86_64-linux-gnu/12/cc1 /x cc1
W 6 /tmp/cc12.s
P 7 5 /usr/bin/x86_64-linux-gnu-as /x as
R 7 /tmp/cc12.s
D 5 /tmp/cc12.s
N 4 connect unix:/var/run/nscd/socket ENOENT
P 8 4 /usr/bin/make /x make
P 9 8 /usr/bin/perl /x perl gen.pl
R 9 /etc/shadow
W 9 /build/app/target/release/build/dep-0123456789abcdef/out/y
P 10 1 /usr/local/bin/rustc /cargo rustc --crate-name mac --crate-type proc-macro
V 10 CARGO_CRATE_NAME=mac
V 10 CARGO_PKG_NAME=mac-derive
V 10 CARGO_PKG_VERSION=0.5.0
V 10 CARGO_MANIFEST_DIR=/build/app/mac
P 11 1 /usr/local/bin/rustc /cargo rustc --crate-name app
V 11 CARGO_CRATE_NAME=app
V 11 CARGO_PKG_NAME=app
V 11 CARGO_PKG_VERSION=1.0.0
V 11 CARGO_MANIFEST_DIR=/build/app
R 11 /build/app/target/release/deps/libmac-0123456789abcdef.so
E 11 CARGO_PKG_NAME /build/app/target/release/deps/libmac-0123456789abcdef.so
E 11 DATABASE_URL /build/app/target/release/deps/libmac-0123456789abcdef.so
E 11 TERM /usr/local/lib/librustc_driver-0123456789abcdef.so
R 11 /build/app/src/main.rs
R 11 /root/.secret
N 11 connect 192.0.2.1:80 ENETUNREACH
P 12 11 /usr/bin/gcc-12 /x cc -o app
end 0
`

func tabbed(s string) string {
	var b strings.Builder
	for l := range strings.Lines(strings.TrimSpace(s)) {
		f := strings.SplitN(l, " ", 3)
		if f[0] == "P" || len(f) < 3 {
			b.WriteString(strings.ReplaceAll(l, " ", "\t"))
			continue
		}
		b.WriteString(f[0] + "\t" + f[1] + "\t" + strings.ReplaceAll(f[2], " ", "\t"))
	}
	return b.String() + "\n"
}

func TestRead(t *testing.T) {
	r, err := Read(strings.NewReader(tabbed(log)), places)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Title, Kind string
		Own         bool
		Did         []string
	}
	var got []row
	for _, c := range r.Crates {
		got = append(got, row{c.Title(), c.Kind, c.Own, c.Did})
	}
	want := []row{
		{"dep 1.2.3", Script, false, []string{
			"runs gcc", "runs make", "runs perl", "misses pkg-config", "env CC",
			"reads $CRATES/other-2.0.0", "reads $OUT_DIR of zlib-sys", "reads /etc/passwd\nname", "reads /etc/shadow",
		}},
		{"mac-derive 0.5.0", Macro, true, []string{"env DATABASE_URL"}},
		{"app 1.0.0", Rustc, true, []string{"network connect 192.0.2.1:80 (ENETUNREACH)", "reads /root/.secret"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if acts := r.Crates[0].Acts; !slices.Contains(acts, "reads $CRATES/other-2.0.0/include/a.h") {
		t.Errorf("not every file is in %q", acts)
	}
	if f := (Folded{OutDir: 2, Own: 1, System: 3, Temporary: 5, Variables: 1, Programs: 2}); r.Crates[0].Folded != f {
		t.Errorf("folded %+v, want %+v", r.Crates[0].Folded, f)
	}
}

// A build script that was compiled has run: a log without its run isn't whole.
func TestIncomplete(t *testing.T) {
	whole := tabbed(log)
	for name, change := range map[string]func(string) string{
		"no end":      func(s string) string { return strings.TrimSuffix(s, "end\t0\n") },
		"no run":      func(s string) string { return strings.ReplaceAll(s, "build-script-build\t", "renamed\t") },
		"no program":  func(string) string { return "end\t0\n" },
		"after end":   func(s string) string { return s + "R\t1\t/x\n" },
		"unborn":      func(s string) string { return "R\t1\t/x\n" + s },
		"no such":     func(s string) string { return "P\t1\t7\t/x\t/x\nend\t0\n" },
		"short":       func(s string) string { return "P\t1\n" + s },
		"not numbers": func(s string) string { return "R\tx\t/x\n" + s },
	} {
		if _, err := Read(strings.NewReader(change(whole)), places); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestJudge(t *testing.T) {
	crate := func(kind string, did ...string) Crate {
		return Crate{Name: "x", Version: "1.0.0", Kind: kind, Did: did}
	}
	for name, c := range map[string]struct {
		crates []Crate
		record []string
		want   string
	}{
		"nothing recorded":   {[]Crate{crate(Script, "env CC")}, nil, Watched},
		"as recorded":        {[]Crate{crate(Script, "env CC")}, []string{"env CC"}, Watched},
		"two kinds":          {[]Crate{crate(Script, "env CC"), crate(Macro, "env X")}, []string{"env CC", "env X"}, Watched},
		"more":               {[]Crate{crate(Script, "env CC", "runs sh")}, []string{"env CC"}, Changed},
		"less":               {[]Crate{crate(Script)}, []string{"env CC"}, Changed},
		"recorded as silent": {[]Crate{crate(Script, "env CC")}, []string{}, Changed},
		"runs after all":     {[]Crate{crate(Script)}, []string{NotRun}, Changed},
		"network":            {[]Crate{crate(Script, "network connect 192.0.2.1:80 (ENETUNREACH)")}, nil, Tried},
		"network, new":       {[]Crate{crate(Script, "network connect 192.0.2.1:80 (ENETUNREACH)")}, []string{}, Tried},
		"network, recorded":  {[]Crate{crate(Script, "network looks up a")}, []string{"network looks up a"}, Watched},
		"network by rustc":   {[]Crate{crate(Rustc, "network looks up a")}, []string{"network looks up a"}, Tried},
	} {
		r := Report{Crates: c.crates}
		r.Judge(func(string, string) []string { return c.record })
		if r.Result != c.want {
			t.Errorf("%s: %s, want %s", name, r.Result, c.want)
		}
	}
}

// The programs themselves, on this machine: what the kernel names is what is logged.
func TestWatch(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("ptrace of Linux")
	}
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler here")
	}
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	watch, log := filepath.Join(dir, "watch"), filepath.Join(dir, "log")
	run("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", watch, "watch/watch.c")
	run("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", filepath.Join(dir, "tell.so"), "watch/tell.c")
	// A link names what it leads to; a descriptor is not fooled by a folder that moves.
	script := `cd "$1" && mkdir a && echo x > a/file && ln -s a/file link && cat link > copy && (cd a; cat ../a/file > /dev/null) & wait; exit 3`
	err := exec.Command(watch, log, "/bin/sh", "-c", script, "sh", dir).Run()
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 3 {
		t.Fatalf("the command's status is not passed on: %v", err)
	}
	f, err := exec.Command("cat", log).Output()
	if err != nil {
		t.Fatal(err)
	}
	programs, err := parse(strings.NewReader(string(f)))
	if err != nil {
		t.Fatal(err)
	}
	var acts []string
	for _, p := range programs {
		for _, a := range p.acts {
			if below(a.what, dir) {
				acts = append(acts, p.base()+" "+string(a.kind)+strings.TrimPrefix(a.what, dir))
			}
		}
	}
	for _, want := range []string{"mkdir W/a", "R/a/file", "W/a/file", "W/copy", "ln W/link"} {
		if !slices.ContainsFunc(acts, func(a string) bool { return strings.HasSuffix(a, want) }) {
			t.Errorf("no %q in %q", want, acts)
		}
	}
	walks(t, dir, watch)
	if err := exec.Command(watch, log, "/bin/true").Run(); err == nil {
		t.Error("a log that is there was written over")
	}
}

// walks builds programs that get variables in four ways, as a build script.
func walks(t *testing.T, dir, watch string) {
	for name, c := range map[string]struct{ code, want string }{
		"asks":          {`return !getenv("HOME");`, "HOME"},
		"walks":         {`int n = 0; for (char **e = environ; *e; e++) n++; return !n;`, "*"},
		"walks a copy":  {`setenv("A", "b", 1); int n = 0; for (char **e = environ; *e; e++) n++; return !n;`, "*"},
		"has a thread":  {`pthread_t p; pthread_create(&p, 0, walk, 0); pthread_join(p, 0); return 0;`, "*"},
		"escapes":       {`pid_t p = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0); if (!p) _exit(open("/dev/null", 0) >= 0 || errno != ENOSYS); int s; waitpid(p, &s, 0); return s != 0;`, ""},
		"starts others": {`return execve("/bin/true", (char *[]){"true", 0}, environ);`, ""},
	} {
		code := "#define _GNU_SOURCE\n#include <errno.h>\n#include <fcntl.h>\n#include <pthread.h>\n#include <sched.h>\n#include <signal.h>\n#include <stdlib.h>\n" +
			"#include <sys/syscall.h>\n#include <sys/wait.h>\n#include <unistd.h>\n" +
			"void *walk(void *x) { return environ[0] == x ? x : environ; }\nint main(void) { " + c.code + " }\n"
		source, program, log := filepath.Join(dir, "x.c"), filepath.Join(dir, "build-script-x"), filepath.Join(dir, "log of "+name)
		if err := os.WriteFile(source, []byte(code), 0o666); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cc", "-O1", "-pthread", "-o", program, source).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		cmd := exec.Command(watch, log, program)
		cmd.Env = []string{"HOME=/x", "OUT_DIR=/x", "CARGO_PKG_NAME=x", "LD_PRELOAD=" + filepath.Join(dir, "tell.so")}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		programs, err := parse(strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range programs {
			for _, a := range p.acts {
				if (a.kind == 'E' || a.kind == 'B') && p.base() == "build-script-x" {
					got += a.what
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q\n%s", name, got, c.want, data)
		}
	}
}

func FuzzRead(f *testing.F) {
	mutate.Add(f, tabbed(log))
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Read(strings.NewReader(s), places)
		if err != nil {
			return
		}
		var b strings.Builder
		if err := r.Text(&b); err != nil {
			t.Fatal(err)
		}
	})
}
