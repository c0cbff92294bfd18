package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"

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
packages     = ["docker.io", "skopeo", "usr-is-merged"]
without      = ["debconf", "debconf-2.0"]
drop         = ["usr/share/doc", "usr/share/man", "usr/share/locale"]
database     = "none"
compression  = "zstd"

[config]
`

// enterPeers runs a command in the peers' root, with the script's directory
// as /work, in namespaces of its own: what it starts ends with it.
const enterPeers = `set -eu
root=$1 work=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mkdir -p work proc dev sys run tmp
mount -t proc none proc; mount --rbind /dev dev; mount --rbind /sys sys; mount -t tmpfs none run
mount --bind "$work" work
exec chroot . /bin/sh -c 'cd /work && exec "$@"' sh "$@"
`

// peer COMMAND … runs a command of Debian's on the files of the script.
func cmdPeer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: peer COMMAND …")
	}
	ctx := context.Background()
	cache := ts.Getenv("TWICE_CACHE")
	tools := scriptTools(ts)
	def, err := images.Parse([]byte(peers), nil)
	ts.Check(err)
	def.Lock, err = compose.Lock(ctx, tools.Fetcher, tools.Resolver, def, compose.LockOptions{})
	ts.Check(err)
	ts.Check(tools.Fetcher.Fetch(ctx, compose.Items(def, tools.Resolver)))
	root := filepath.Join(cache, "peers")
	ts.Check(compose.EngineRoot(ctx, tools.Store, def, root))
	cmd := exec.Command("unshare", append([]string{"--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enterPeers, "sh", root, ts.MkAbs(".")}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "HOME=/root"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	ts.Check(os.WriteFile(ts.MkAbs("peer-stdout"), stdout.Bytes(), 0o644))
	if err != nil {
		ts.Fatalf("%v: %v\n%s%s", args, err, &stdout, &stderr)
	}
}
