package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
)

// waits is a build that takes its time and no processor: builders of other
// machines don't share this one's.
const waits = `fn main() { std::thread::sleep(std::time::Duration::from_secs(%d)); }
`

// enterEngineRoot runs a stock BuildKit in the root that Twice composes for its
// own engine, with everything of it in one folder.
const enterEngineRoot = `set -eu
root=$1 work=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t tmpfs none "$root/run" 2>/dev/null || { mkdir -p "$root/run"; mount -t tmpfs none "$root/run"; }
for d in proc dev sys tmp; do mkdir -p "$root/$d"; done
mount -t proc none "$root/proc"; mount --rbind /dev "$root/dev"; mount --rbind /sys "$root/sys"; mount -t tmpfs none "$root/tmp"
mkdir "$root/run/here"; mount --bind "$work" "$root/run/here"
exec chroot "$root" /run/here/buildkitd --addr unix:///run/here/sock --root /run/here/state
`

// remoteBuilders compares N builders, each with a side, with the slowest of them
// that has both.
func remoteBuilders(b *bench) []line {
	n, seconds := 4, 60
	if b.small {
		n, seconds = 2, 3
	}
	spec := b.path("waits")
	check(os.CopyFS(spec, os.DirFS(filepath.Join("examples", "hello"))))
	check(os.WriteFile(filepath.Join(spec, "build.rs"), fmt.Appendf(nil, waits, seconds), 0o644))
	b.output(b.twice("fetch", spec))
	var addrs []string
	for i := range n {
		addr, end := b.stockBuilder(fmt.Sprintf("builder%d", i+1))
		defer end()
		addrs = append(addrs, addr)
	}
	verify := func(engines ...string) float64 {
		args := []string{"verify", "--fresh", "--quiet", "--progress", "none", "--dirty"}
		for _, e := range engines {
			args = append(args, "--engine", e)
		}
		return b.timed(b.twice(append(args, spec)...))
	}
	verify(addrs...) // each imports the builder image
	var all, slowest []float64
	for range b.n {
		var each []float64
		for _, a := range addrs {
			each = append(each, verify(a))
		}
		all, slowest = append(all, verify(addrs...)), append(slowest, slices.Max(each))
		b.note("%d builders %.1f s, each alone %.1f s", n, all[len(all)-1], each)
	}
	return []line{{What: fmt.Sprintf("%d builders, a side each ÷ the slowest one, both sides; a build that waits %d s", n, seconds), Twice: all, Other: slowest, Goal: 1.05}}
}

// stockBuilder starts a stock BuildKit, in a network of its own.
func (b *bench) stockBuilder(name string) (addr string, end func()) {
	root := b.path("cache", "engine-root")
	b.once("building a stock BuildKit", func() {
		check(compose.EngineRoot(b, must(store.Open(b.path("cache", "store"))), must(images.Load(resolve.EngineImage)), root))
		build := exec.CommandContext(b, "go", "build", "-o", b.path("buildkitd"), "github.com/moby/buildkit/cmd/buildkitd")
		build.Dir = filepath.Join("cmd", "twice", "testdata", "buildkitd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		b.output(build)
	})
	dir := b.path(name)
	check(os.Mkdir(dir, 0o755))
	check(os.Link(b.path("buildkitd"), filepath.Join(dir, "buildkitd")))
	cmd := exec.CommandContext(b, "unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", enterEngineRoot, "sh", root, dir)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	log := must(os.Create(filepath.Join(dir, "log")))
	cmd.Stdout, cmd.Stderr = log, log
	check(cmd.Start())
	end = func() {
		_ = cmd.Process.Kill() // unshare ignores SIGTERM; its child dies with it
		_ = cmd.Wait()
	}
	sock := filepath.Join(dir, "sock")
	for range 150 {
		if c, err := net.Dial("unix", sock); err == nil {
			check(c.Close())
			return "unix://" + sock, end
		}
		time.Sleep(200 * time.Millisecond)
	}
	end()
	check(fmt.Errorf("no BuildKit answers at %s: %s says why", sock, log.Name()))
	return "", nil
}
