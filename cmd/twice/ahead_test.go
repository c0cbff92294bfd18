package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/engine"
	"github.com/rogpeppe/go-internal/testscript"
)

// deps are the packages that cmd/twice is compiled of.
func deps(t *testing.T, flags ...string) []string {
	t.Helper()
	list := exec.Command("go", append(append([]string{"list", "-deps"}, flags...), ".")...)
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// cmdBuildAhead makes the program that fetches ahead, as "ahead".
func cmdBuildAhead(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: build-ahead")
	}
	build := exec.Command("go", "build", "-tags", "ahead", "-o", ts.MkAbs("ahead"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("%v\n%s", err, out)
	}
}

// What the program that fetches ahead is compiled of is less than half of the
// whole, and a part of it: nothing is compiled twice but the command itself.
func TestAheadIsAPart(t *testing.T) {
	whole, ahead := deps(t), deps(t, "-tags", "ahead")
	if 2*len(ahead) >= len(whole) {
		t.Errorf("%d packages of %d", len(ahead), len(whole))
	}
	for _, p := range ahead {
		if !slices.Contains(whole, p) {
			t.Errorf("%s is not of the whole", p)
		}
		if strings.Contains(p, "buildkit") || strings.Contains(p, "sigstore") {
			t.Errorf("%s takes long to compile", p)
		}
	}
}

// checkout is scripts/twice in a folder of its own, with a go in front of it that
// writes shell scripts in the place of programs and says into the file "log" what
// was done. It reads the shell text $WHOLE or $AHEAD for each.
func checkout(t *testing.T, whole, ahead string) (dir string, command func(args ...string) *exec.Cmd) {
	t.Helper()
	dir = t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile("../../scripts/twice")
	if err != nil {
		t.Fatal(err)
	}
	write("scripts/twice", string(script))
	for _, name := range []string{"cmd/a.go", "internal/a.go", "images/a.go", "go.mod", "go.sum"} {
		write(name, "")
	}
	write("path/go", `#!/bin/sh
set -eu
kind=whole text=$WHOLE
while [ $# -gt 0 ]; do
    case $1 in
    -tags) [ "$2" = ahead ] && kind=ahead text=$AHEAD ;;
    -o) to=$2 ;;
    esac
    shift
done
echo "compile $kind" >> "$LOG"
[ "$kind" = ahead ] || eval "$COMPILE"
printf '#!/bin/sh\necho "'"$kind"' $*" >> "$LOG"\n%s\n' "$text" > "$to"
chmod +x "$to"
`)
	return dir, func(args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(dir, "scripts", "twice"), args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "path")+":"+os.Getenv("PATH"), "TWICE_BIN="+filepath.Join(dir, "bin"),
			"LOG="+filepath.Join(dir, "log"), "WHOLE="+whole, "AHEAD="+ahead, "COMPILE=")
		return c
	}
}

// said is what the programs of a checkout said, sorted where two ran at once.
func said(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ", ")
}

// left are the files in the folder of programs.
func left(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "bin", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// The first run fetches while it compiles, with the arguments that were given. It is
// told what was odd; errors the whole program has, and nothing of it stays.
func TestCheckoutFetchesAhead(t *testing.T) {
	dir, command := checkout(t, "echo verdict", "echo noise; echo noise >&2; echo twice: warning: a mirror >&2; echo 'store     took 2 blobs' >&2; echo twice: error: this is not said >&2; : > \"$LOG.fetched\"; exit 2")
	first := command("verify", "--offline", "a b")
	// The whole is compiled only when what was fetched is there.
	first.Env = append(first.Env, "COMPILE=for i in $(seq 500); do [ -e \"$LOG.fetched\" ] && exit_at=0 && break; sleep 0.02; done; [ -n \"${exit_at-}\" ]")
	out, err := first.CombinedOutput()
	if want := "twice: building itself, with its engine; the first time takes some minutes\ntwice: warning: a mirror\nstore     took 2 blobs\nverdict\n"; err != nil || string(out) != want {
		t.Errorf("%v, %q", err, out)
	}
	text := said(t, dir)
	if !strings.HasPrefix(text, "compile ahead, ") || !strings.Contains(text, ", ahead verify --offline a b") || !strings.HasSuffix(text, ", whole verify --offline a b") {
		t.Errorf("%s", text)
	}
	if n := left(t, dir); n != 1 {
		t.Errorf("%d files are left", n)
	}
	if out, err := command("verify").CombinedOutput(); err != nil || string(out) != "verdict\n" || !strings.HasSuffix(said(t, dir), ", whole verify --offline a b, whole verify") {
		t.Errorf("again: %v, %q, %s", err, out, said(t, dir))
	}
}

// What fetches nothing is compiled at once, and so is what may be read only once.
func TestCheckoutCompilesOnce(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"verify", "--config", "/dev/fd/63", "."}, {"build", "--against=/dev/stdin", "."}, {}} {
		dir, command := checkout(t, "exit 3", "")
		err := command(args...).Run()
		if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 3 {
			t.Errorf("%v", err)
		}
		if text := said(t, dir); text != strings.TrimSpace("compile whole, whole "+strings.Join(args, " ")) {
			t.Errorf("%s", text)
		}
	}
}

// What is in a cache that others write to isn't run, and where there is no place for the
// program one error says so.
func TestCheckoutRunsItsOwn(t *testing.T) {
	dir, command := checkout(t, "", "")
	cache := filepath.Join(dir, "cache")
	if err := command("version").Run(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(cache, "bin"), os.DirFS(filepath.Join(dir, "bin"))); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	again := command("version")
	again.Env = append(again.Env, "TWICE_CACHE="+cache)
	if err := again.Run(); err != nil {
		t.Fatal(err)
	}
	if text := said(t, dir); text != "compile whole, whole version, compile whole, whole version" {
		t.Errorf("%s", text)
	}
	for value, want := range map[string]string{
		"TWICE_BIN=" + filepath.Join(dir, "go.mod", "bin"): "making a place for the program: ",
		"TWICE_BIN=": "there is no place for the program: HOME is not set",
	} {
		c := command("version")
		c.Env = append(c.Env, "XDG_CACHE_HOME=", "HOME=", value)
		out, err := c.CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "twice: error: "+want) || strings.Count(string(out), "\n") != 2 || !strings.Contains(string(out), "\ntwice: hint: ") {
			t.Errorf("%v, %s", err, out)
		}
	}
}

// A compiler that fails ends it all, and so does a signal; nothing stays.
func TestCheckoutStops(t *testing.T) {
	// What waits says so when its trap is set: a signal before that would end it
	// without a word.
	waits := func(who string) string {
		return "trap 'echo " + who + " ended >> \"$LOG\"; exit 1' TERM; echo " + who + " waits >> \"$LOG\"; for i in $(seq 3000); do sleep 0.02; done"
	}
	// Where the tests run in the background of a script, SIGINT is ignored, and would be in
	// what they start. What is caught here isn't ignored there.
	if signal.Ignored(os.Interrupt) {
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, os.Interrupt)
		defer signal.Stop(caught)
	}
	for name, c := range map[string]struct {
		compile string
		signal  syscall.Signal
		status  int
	}{
		"compiler":  {compile: "until grep -q 'fetcher waits' \"$LOG\"; do sleep 0.02; done; exit 1", status: 2},
		"interrupt": {compile: waits("compiler"), signal: syscall.SIGINT, status: 130},
		"end":       {compile: waits("compiler"), signal: syscall.SIGTERM, status: 143},
	} {
		t.Run(name, func(t *testing.T) {
			dir, command := checkout(t, "", waits("fetcher"))
			cmd := command("build", ".")
			cmd.Env = append(cmd.Env, "COMPILE="+c.compile)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if c.signal != 0 {
				for range 1000 {
					text, _ := os.ReadFile(filepath.Join(dir, "log"))
					if strings.Contains(string(text), "fetcher waits") && strings.Contains(string(text), "compiler waits") {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				if err := cmd.Process.Signal(c.signal); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			err := cmd.Wait()
			if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != c.status {
				t.Errorf("%v, want status %d", err, c.status)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it went on for %s", took)
			}
			if text := said(t, dir); !strings.Contains(text, ", fetcher ended") || c.signal != 0 && !strings.Contains(text, ", compiler ended") {
				t.Errorf("%s", text)
			}
			if n := left(t, dir); n != 0 {
				t.Errorf("%d files are left", n)
			}
		})
	}
}

// The program that fetches ahead has no engine to take these from.
func TestModesAreTheEngines(t *testing.T) {
	for mode, of := range map[displayMode]engine.Mode{
		modeTerminal: engine.Terminal, modePlain: engine.Plain, modeLines: engine.Lines, modeQuiet: engine.Quiet,
	} {
		if string(mode) != string(of) {
			t.Errorf("%q is %q of the engine", mode, of)
		}
	}
}
