package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/store"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts in testdata say what the command does. Those that build
// programs are in testdata/engine: they need root, and the registries of
// crates and of Debian packages (TWICE_TEST_NETWORK=1, which scripts/test sets).

// twiceBinary is the real program, without the race detector: the engine
// starts it again, and composes a gigabyte with it.
var twiceBinary string

func TestMain(m *testing.M) {
	if embedded.IsChild() {
		os.Exit(embedded.ServeMain())
	}
	dir, err := os.MkdirTemp("", "twice-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	twiceBinary = filepath.Join(dir, "twice")
	build := exec.Command("go", "build", "-o", twiceBinary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building twice: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, params("testdata", func(env *testscript.Env) error {
		env.Setenv("TWICE_CACHE", filepath.Join(env.WorkDir, "cache"))
		return nil
	}))
}

func TestEngineScripts(t *testing.T) {
	switch {
	case testing.Short():
		t.Skip("builds programs: left out of the short form")
	case os.Getuid() != 0:
		t.Skip("the embedded engine needs root")
	case os.Getenv("TWICE_TEST_NETWORK") != "1":
		t.Skip("needs the registries of crates and Debian packages: set TWICE_TEST_NETWORK=1")
	}
	// One cache for all scripts: what is fetched and composed is the same.
	cache := os.Getenv("TWICE_TEST_CACHE")
	if cache == "" {
		cache = t.TempDir()
	}
	scripts, err := filepath.Glob("testdata/engine/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	// One after the other: they share an engine, and look for what is left behind.
	for _, s := range scripts {
		t.Run(filepath.Base(s), func(t *testing.T) {
			p := params("", func(env *testscript.Env) error {
				env.Setenv("TWICE_CACHE", cache)
				env.Setenv("CACHE", cache)
				return nil
			})
			p.Files = []string{s}
			testscript.Run(t, p)
		})
	}
}

func params(dir string, setup func(*testscript.Env) error) testscript.Params {
	return testscript.Params{
		Dir:                dir,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(twiceBinary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			root, err := filepath.Abs("../..")
			if err != nil {
				return err
			}
			env.Setenv("ROOT", root)
			env.Setenv("RUSTUP_HOME", rustupHome())
			if pin, err := resolve.BuiltinToolchain(); err == nil {
				// The toolchain of the builder, whatever rustup calls it here.
				if dir, err := rust.Installed(context.Background(), pin.Pin); err == nil {
					env.Setenv("RUST", dir)
				}
			}
			env.Setenv("TMPDIR", os.TempDir())
			for _, v := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
				if x, ok := os.LookupEnv(v); ok {
					env.Setenv(v, x)
				}
			}
			env.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
			return setup(env)
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "long":
				return os.Getenv("TWICE_TEST_LONG") == "1", nil
			case "root":
				return os.Getuid() == 0, nil
			case "builder-tools":
				return hasBuilderTools()
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"build-ahead":    cmdBuildAhead,
			"build-context":  cmdBuildContext,
			"commit":         cmdCommit,
			"cuda-driver":    cmdCUDADriver,
			"cuda-image":     cmdCUDAImage,
			"cuda-redist":    cmdCUDARedist,
			"damage":         cmdDamage,
			"debug-link":     cmdDebugLink,
			"nothing-left":   cmdNothingLeft,
			"same-artefacts": cmdSameArtefacts,
			"same-digests":   cmdSameDigests,
			"same-base":      cmdSameBase,
			"same-flags":     cmdSameFlags,
			"serve-company":  cmdServeCompany,
			"serve-git":      cmdServeGit(map[string]*httptest.Server{}),
			"serve-registry": cmdServeRegistry,
			"dep-list":       cmdDepList,
			"copy-referrers": cmdCopyReferrers,
			"lie":            cmdLie,
			"push-image":     cmdPushImage,
			"attach":         cmdAttach,
			"run-record":     cmdRunRecord,
			"restate":        cmdRestate,
			"serve-image":    cmdServeImage(map[*testscript.TestScript]*httptest.Server{}),
			"builders":       cmdBuilders,
			"as-user":        cmdAsUser,
			"containers":     cmdContainers,
			"copy-volume":    cmdCopyVolume,
			"user-files":     cmdUserFiles,
			"buildkitd":      cmdBuildkitd,
			"kill-each":      cmdKillEach,
			"new-key":        cmdNewKey,
			"no-secret":      cmdNoSecret,
			"registry":       cmdRegistry,
			"relay":          cmdRelay,
			"release":        cmdRelease,
			"sigstore":       cmdSigstore,
			"watch-ps":       cmdWatchPS,
			"whole":          cmdWhole,
			"buildx":         cmdBuildx,
			"layout-digests": cmdLayoutDigests,
			"other":          cmdOther,
			"peer":           cmdPeer,
			"browse":         cmdBrowse,
			"run-image":      cmdRunImage,
			"tools":          cmdTools,
			"in-tools":       cmdInTools,
			"image-root":     cmdImageRoot,
			"index-digest":   cmdIndexDigest,
			"interrupt-at":   cmdInterruptAt,
			"kill-loop":      cmdKillLoop,
			"pe-checksum":    cmdPEChecksum,
			"commit-again":   cmdCommitAgain,
			"serve-musl":     cmdServeMusl,
			"nightly":        cmdNightly,
			"without-tree":   cmdWithoutTree,
			"valid-json":     cmdValidJSON,
			"env-from": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
			},
			"image-digest": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Setenv("IMAGE", strings.TrimSpace(ts.ReadFile(args[0])))
			},
		},
	}
}

func rustupHome() string {
	if h := os.Getenv("RUSTUP_HOME"); h != "" {
		return h
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".rustup")
}

// commit DIR makes a git repository of a directory: one commit, always the
// same author and time.
func cmdCommit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: commit DIR")
	}
	commit(ts, args[0], []string{"init", "-q"})
	cmdCommitAgain(ts, neg, args)
}

// commit-again DIR commits what has changed, at the same time.
func cmdCommitAgain(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: commit-again DIR")
	}
	commit(ts, args[0], []string{"add", "-A"}, []string{"commit", "-q", "--allow-empty", "-m", "all"})
}

func commit(ts *testscript.TestScript, dir string, commands ...[]string) {
	for _, c := range commands {
		cmd := exec.Command("git", c...)
		cmd.Dir = ts.MkAbs(dir)
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_GLOBAL=" + os.DevNull, "HOME=/nonexistent",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_AUTHOR_DATE=1700000000 +0000",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org", "GIT_COMMITTER_DATE=1700000000 +0000",
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("git %v: %v\n%s", c, err, out)
		}
	}
}

// damage LIST OFFSET changes one bit of one byte of the file that LIST names.
func cmdDamage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage LIST OFFSET")
	}
	name := strings.TrimSpace(ts.ReadFile(args[0]))
	data, err := os.ReadFile(name)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	data[at] ^= 1
	ts.Check(os.Chmod(name, 0o644))
	ts.Check(os.WriteFile(name, data, 0o444))
}

// nothing-left fails if an engine's process or mount is there, or a scratch
// folder in the cache.
func cmdNothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	cache := ts.Getenv("TWICE_CACHE")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	ts.Check(err)
	if strings.Contains(string(mounts), cache) {
		ts.Fatalf("a mount is left behind:\n%s", mounts)
	}
	left, err := filepath.Glob(filepath.Join(cache, "scratch", "*"))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("left behind: %v", left)
	}
	if left, err = filepath.Glob(filepath.Join(cache, "store", "ingest", "tmp-*")); err != nil || len(left) > 0 {
		ts.Fatalf("left behind: %v, %v", left, err)
	}
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	ts.Check(err)
	for _, p := range procs {
		// An engine has its state mounted in a mount namespace of its own.
		mounts, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "mountinfo"))
		if data, err := os.ReadFile(p); err == nil && strings.HasPrefix(string(data), "twice-engine") && strings.Contains(string(mounts), cache) {
			ts.Fatalf("an engine is left behind: %s", p)
		}
	}
}

// same-flags PLAIN HERMETIC compares two outputs of examples/rustc-flags: rustc
// got the same arguments, but for those that the plan adds, and for paths.
func cmdSameFlags(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-flags PLAIN HERMETIC")
	}
	plain, _ := projectFlags(ts.ReadFile(args[0]))
	hermetic, added := projectFlags(ts.ReadFile(args[1]))
	if d := cmp.Diff(plain, hermetic); d != "" {
		ts.Fatalf("-plain +hermetic:\n%s", d)
	}
	for unit, n := range added {
		if n != 3 {
			ts.Fatalf("%s got %d of the plan's three flags", unit, n)
		}
	}
}

// projectFlags drops paths, and counts in each section the plan's own flags.
func projectFlags(out string) (flags []string, added map[string]int) {
	added = map[string]int{}
	section := ""
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, l := range lines {
		switch {
		case strings.HasPrefix(l, "["):
			section = l
			if l != "[cfg]" {
				added[l] = 0
			}
			flags = append(flags, l)
		case strings.HasPrefix(l, "--remap-path-prefix="), l == "link-arg=-Wl,--build-id=sha1":
			added[section]++
		case l == "-C" && i+1 < len(lines) && lines[i+1] == "link-arg=-Wl,--build-id=sha1":
		case l == "rustc", strings.Contains(l, "/") && !strings.Contains(l, ".rs"):
		default:
			flags = append(flags, l)
		}
	}
	return flags, added
}

// run-image DIGEST COMMAND … runs a command in an image of the store, through
// the engine, as the image's own user, and gives its output.
func cmdRunImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: run-image DIGEST COMMAND …")
	}
	cache := ts.Getenv("TWICE_CACHE")
	st, err := store.Open(filepath.Join(cache, "store"))
	ts.Check(err)
	d := digest.Digest(args[0])
	size, err := st.Size(d)
	ts.Check(err)
	command, err := json.Marshal(args[1:])
	ts.Check(err)
	eng, err := embedded.Start(context.Background(), embedded.Options{StateDir: filepath.Join(cache, "engine"), RootDir: filepath.Join(cache, "engine-root")})
	ts.Check(err)
	defer eng.Close()
	status := make(chan *client.SolveStatus)
	var out bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range status {
			for _, l := range s.Logs {
				out.Write(l.Data)
			}
		}
	}()
	err = eng.Run(context.Background(), engine.Job{
		ID: "run", Store: st, Out: filepath.Join(ts.MkAbs("."), "run-out"), NoCache: true,
		Dockerfile: fmt.Appendf(nil, "FROM image AS run\nRUN --network=none %s\nFROM scratch\nCOPY --from=run /etc/passwd /\n", command),
		Inputs:     map[string]ocispec.Descriptor{"image": {MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: size}},
	}, status)
	<-done
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("run-stdout"), out.Bytes(), 0o644))
}
