package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// asUserScript runs a command as that user, who is lent a range of users and
// groups if there is an argument "range".
const asUserScript = `set -eu
range=$1 home=$2; shift 2
mount --make-rprivate /
{ cat /etc/passwd; echo "twice-user:x:4242:4242::$home:/bin/sh"; } > "$home/passwd"
mount --bind "$home/passwd" /etc/passwd
: > "$home/lent"
[ "$range" != range ] || echo twice-user:200000:65536 > "$home/lent"
for f in subuid subgid; do [ -e /etc/$f ] || : > /etc/$f; mount --bind "$home/lent" /etc/$f; done
cd "$home"
exec setpriv --reuid 4242 --regid 4242 --clear-groups env -i PATH="$home/bin:/usr/bin:/bin" HOME="$home" TWICE_CACHE="$home" "$@"
`

// users are the folders of the scripts' users.
var users sync.Map

// user-files FILE … gives the script's user copies of files, and of the store.
func cmdUserFiles(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: user-files FILE …")
	}
	home, err := os.MkdirTemp("", "twice-user-")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(home) })
	ts.Check(os.Chmod(home, 0o755))
	users.Store(ts, home)
	ts.Setenv("USER_HOME", home)
	peersRoot(ts) // composes it
	root := filepath.Join(ts.Getenv("TWICE_CACHE"), "peers", "usr", "bin")
	// Blobs never change: they are linked. newuidmap works as root's program only.
	script := `set -eu
home=$1 twice=$2 root=$3 cache=$4; shift 4
mkdir "$home/bin"
cp "$twice" "$home/bin/twice"
cp "$root/newuidmap" "$root/newgidmap" "$home/bin"
cp -al "$cache/store" "$home/store"
find "$home/store" -type d -exec chown 4242:4242 {} +
for f in "$home"/store/index.json "$home"/store/index.lock $(find "$home/store/memo" -type f); do cp "$f" "$f.own"; mv "$f.own" "$f"; chown 4242:4242 "$f"; done
for f; do cp -r "$f" "$home"; chown -R 4242:4242 "$home/${f##*/}"; done
chown 4242:4242 "$home"
chmod u+s "$home/bin/newuidmap" "$home/bin/newgidmap"
`
	var files []string
	for _, a := range args {
		files = append(files, ts.MkAbs(a))
	}
	if out, err := exec.Command("sh", append([]string{"-c", script, "sh", home, twiceBinary, root, ts.Getenv("TWICE_CACHE")}, files...)...).CombinedOutput(); err != nil {
		ts.Fatalf("%v\n%s", err, out)
	}
}

// as-user one|range COMMAND … runs a command as the script's user, in its
// folder. Its output is in user-stdout and user-stderr.
func cmdAsUser(ts *testscript.TestScript, neg bool, args []string) {
	home, ok := users.Load(ts)
	if len(args) < 2 || !ok {
		ts.Fatalf("usage: user-files FILE … and then as-user one|range COMMAND …")
	}
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-c", asUserScript, "sh", args[0], home.(string)}, args[1:]...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	ts.Check(os.WriteFile(ts.MkAbs("user-stdout"), stdout.Bytes(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("user-stderr"), stderr.Bytes(), 0o644))
	ts.Logf("%s%s", &stdout, &stderr)
	if (err != nil) != neg {
		ts.Fatalf("as-user %q: %v", args, err)
	}
}
