package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/compose"
	"github.com/rogpeppe/go-internal/testscript"
)

// peers are the tools of other people that read what Twice writes. They come
// from Debian's archive as it is today, into a root that Twice composes:
// nothing is installed on the machine that runs the tests.
const peers = `
name         = "peers"
description  = "tools that read images"
suite        = "bookworm"
component    = "main"
architecture = "amd64"
essential    = true
packages     = ["docker.io", "podman", "skopeo", "uidmap", "usr-is-merged"]
without      = ["debconf", "debconf-2.0"]
drop         = ["usr/share/doc", "usr/share/man", "usr/share/locale"]
database     = "none"
compression  = "zstd"

[config]
`

// enterPeers runs a command in the peers' root, with the script's directory
// as /script, in namespaces of its own: what it starts ends with it.
const enterPeers = `set -eu
root=$1 work=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mkdir -p script proc dev sys run tmp
mount -t proc none proc; mount --rbind /dev dev; mount --rbind /sys sys; mount -t tmpfs none run
mount --bind "$work" script
mount --move . / # for who joins this namespace, as docker exec does
exec chroot . /bin/sh -c 'cd /script && exec "$@"' sh "$@"
`

// peersRoot composes the peers' root and returns the command that enters it. It
// has no network: dockerd asks an address of clouds each time that it starts itself
// again, and where nothing answers waits for 20 seconds.
func peersRoot(ts *testscript.TestScript, args ...string) *exec.Cmd {
	cmd := composedRoot(ts, peers, args...)
	cmd.Args = slices.Insert(cmd.Args, 1, "--net")
	return cmd
}

// composedRoot composes a root and returns the command that enters it.
func composedRoot(ts *testscript.TestScript, definition string, args ...string) *exec.Cmd {
	ctx := context.Background()
	tools := scriptTools(ts)
	def, err := images.Parse([]byte(definition), nil)
	ts.Check(err)
	def.Lock, err = compose.Lock(ctx, tools.Fetcher, tools.Resolver, def, compose.LockOptions{})
	ts.Check(err)
	ts.Check(tools.Fetcher.Fetch(ctx, compose.Items(def, tools.Resolver)))
	root := filepath.Join(ts.Getenv("TWICE_CACHE"), def.Name)
	ts.Check(compose.EngineRoot(ctx, tools.Store, def, root))
	cmd := exec.Command("unshare", append([]string{"--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enterPeers, "sh", root, ts.MkAbs(".")}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "HOME=/root"}
	return cmd
}

// peer [-net] COMMAND … runs a command of Debian's on the files of the script,
// without a network unless -net gives it this machine's.
func cmdPeer(ts *testscript.TestScript, neg bool, args []string) {
	enter := func(args ...string) *exec.Cmd { return peersRoot(ts, args...) }
	if len(args) > 0 && args[0] == "-net" {
		enter = func(args ...string) *exec.Cmd { return composedRoot(ts, peers, args...) }
		args = args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: peer [-net] COMMAND …")
	}
	cmd := enter(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	ts.Check(os.WriteFile(ts.MkAbs("peer-stdout"), stdout.Bytes(), 0o644))
	if err != nil {
		ts.Fatalf("%v: %v\n%s%s", args, err, &stdout, &stderr)
	}
}

// daemons are what ends the daemon of a script.
var daemons sync.Map

// stopDaemon ends the daemon of a script.
func stopDaemon(ts *testscript.TestScript) {
	end, ok := daemons.Load(ts)
	if !ok {
		ts.Fatalf("there is no daemon: buildkitd starts one")
	}
	end.(func())()
}

// buildkitd starts a stock BuildKit daemon, of the version that the program has
// inside, and sets ADDR to its address. It ends with the script.
func cmdBuildkitd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: buildkitd")
	}
	buildStock(ts, "buildkitd", ts.MkAbs("daemon"))
	cmd := peersRoot(ts, "./daemon", "--addr", "unix:///script/daemon.sock", "--root", "/script/daemon-state")
	log, err := os.Create(ts.MkAbs("daemon.log"))
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = log, log
	ts.Check(cmd.Start())
	end := sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // unshare ignores SIGTERM; its child dies with it
		_ = cmd.Wait()
		_ = log.Close()
	})
	daemons.Store(ts, end)
	ts.Defer(end)
	for range 150 {
		if c, err := net.Dial("unix", ts.MkAbs("daemon.sock")); err == nil {
			_ = c.Close()
			ts.Setenv("ADDR", "unix://"+ts.MkAbs("daemon.sock"))
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	ts.Fatalf("buildkitd does not answer:\n%s", ts.ReadFile("daemon.log"))
}
