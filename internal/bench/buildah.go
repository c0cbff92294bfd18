package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// buildahSuite is the Debian suite that the peer is taken from: bookworm's buildah
// (1.28) and trixie's (1.39) can't rewrite timestamps.
const buildahSuite = "forky"

// enterBuildah runs a command in the peer's root, with the scratch folder as /bench.
const enterBuildah = `set -eu
root=$1 scratch=$2; shift 2
mount --make-rprivate /
mkdir -p "$root/proc" "$root/dev" "$root/sys" "$root/run" "$root/tmp" "$root/var/tmp" "$root/bench"
mount -t proc none "$root/proc"; mount --rbind /dev "$root/dev"; mount --rbind /sys "$root/sys"; mount -t tmpfs none "$root/run"; mount -t tmpfs none "$root/tmp"
mount --bind "$scratch" "$root/bench"
exec chroot "$root" "$@"
`

// buildahRewrite compares twice normalize with buildah on the image of the
// normalize rows. buildah rewrites layers that it makes, so it is asked for one
// layer of all; the image is in its own storage before. An archive of uncompressed
// layers it doesn't write: --disable-compression is without effect there.
func buildahRewrite(b *bench) (lines []line) {
	b.once("making an image", b.makeImage)
	st := must(store.Open(b.path("image")))
	buildah := b.buildah()
	b.output(buildah("pull", "--quiet", "oci:/bench/image:bench"))
	id, _ := b.output(buildah("images", "--quiet", "--no-trunc"))
	check(os.WriteFile(b.path("Containerfile"), []byte("FROM "+strings.TrimPrefix(id, "sha256:")+"\n"), 0o644))
	for _, c := range []layer.Compression{layer.Zstd, layer.Gzip} {
		push := []string{"push", "--quiet", "--compression-format", string(c), "--force-compression"}
		var ours, others []float64
		for range b.n {
			check(os.RemoveAll(b.path("normalized.tar")))
			ours = append(ours, b.timed(b.twice("normalize", st.Dir(), "-o", b.path("normalized.tar"), "--compression", string(c))))
			check(os.RemoveAll(b.path("buildah.tar")))
			others = append(others, b.timed(
				buildah("build", "--quiet", "--squash", "--no-cache", "--rewrite-timestamp", "--source-date-epoch", "0", "--disable-compression", "-t", "bench:rewritten", "-f", "/bench/Containerfile", "/var/empty"),
				buildah(append(push, "bench:rewritten", "oci-archive:/bench/buildah.tar:bench")...)))
			b.output(buildah("rmi", "bench:rewritten"))
			b.note("%s: twice %.2f s, buildah %.2f s", c, ours[len(ours)-1], others[len(others)-1])
		}
		lines = append(lines, line{What: fmt.Sprintf("%s: buildah's build and push ÷ normalize", c), Twice: ours, Other: others, Faster: true, Goal: 3})
	}
	return lines
}

// buildah unpacks the peer and what it needs into a folder: apt finds and checks
// the packages, by a configuration of its own, and nothing is installed.
func (b *bench) buildah() func(args ...string) *exec.Cmd {
	root := b.path("buildah")
	b.once("fetching buildah from Debian "+buildahSuite, func() {
		apt := b.path("apt")
		for _, dir := range []string{"state/lists/partial", "cache/archives/partial"} {
			check(os.MkdirAll(filepath.Join(apt, dir), 0o755))
		}
		archive, _ := b.output(b.command(nil, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main", "Origin: Debian"))
		archive, _, _ = strings.Cut(archive, "\n")
		source := fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n", archive, buildahSuite)
		check(os.WriteFile(filepath.Join(apt, "sources.list"), []byte(source), 0o644))
		check(os.WriteFile(filepath.Join(apt, "status"), nil, 0o644))
		get := func(args ...string) {
			c := b.command(nil, "apt-get", "-q", "-o", "Dir::State="+apt+"/state", "-o", "Dir::State::status="+apt+"/status", "-o", "Dir::Cache="+apt+"/cache",
				"-o", "Dir::Etc::sourcelist="+apt+"/sources.list", "-o", "Dir::Etc::sourceparts=/nonexistent")
			c.Args = append(c.Args, args...)
			b.output(c)
		}
		get("update")
		get("install", "--yes", "--no-install-recommends", "--download-only", "buildah", "netavark")
		for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
			check(os.MkdirAll(filepath.Join(root, "usr", dir), 0o755))
			check(os.Symlink("usr/"+dir, filepath.Join(root, dir)))
		}
		for _, deb := range must(filepath.Glob(filepath.Join(apt, "cache", "archives", "*.deb"))) {
			b.output(b.command(nil, "dpkg-deb", "--extract", deb, root))
		}
		check(os.MkdirAll(filepath.Join(root, "etc", "containers"), 0o755))
		check(os.MkdirAll(filepath.Join(root, "var", "empty"), 0o755))
		check(os.WriteFile(filepath.Join(root, "etc", "containers", "policy.json"), []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o644))
		check(os.WriteFile(filepath.Join(root, "etc", "passwd"), []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644))
	})
	return func(args ...string) *exec.Cmd {
		c := b.command(nil, "unshare", append([]string{"--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", enterBuildah, "sh", root, b.scratch,
			"/usr/bin/buildah", "--storage-driver", "overlay"}, args...)...)
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
		return c
	}
}
