package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/engine"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"
)

// runcOfContainers is runc on a machine that itself lacks a capability which a
// privileged container is given, as virtual machines do.
const runcOfContainers = `#!/bin/sh
last=
for a; do
    case $last in --bundle|-b) file=$a/config.json ;; --process|-p) file=$a ;; *) file= ;; esac
    [ ! -f "$file" ] || sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$file"
    last=$a
done
exec /usr/sbin/runc "$@"
`

// containers starts a Docker daemon, puts docker and podman on PATH, and makes the
// archive of an image with a stock BuildKit, buildkit.tar, whose digest is $BUILDKIT. No
// registry is asked.
func cmdContainers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: containers")
	}
	ts.Check(os.WriteFile(ts.MkAbs("runc"), []byte(runcOfContainers), 0o755))
	cmd := peersRoot(ts, "sh", "-c", "dockerd --add-runtime here=/script/runc --default-runtime here -H unix:///script/docker.sock --iptables=false --bridge=none --data-root /script/docker --exec-root /run/docker -p /run/docker.pid >docker.log 2>&1 & exec sleep 100000")
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var first string // process of the new namespaces
	for range 100 {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if f := strings.Fields(string(data)); len(f) > 0 {
			first = f[0]
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	bin := ts.MkAbs("bin")
	ts.Check(os.Mkdir(bin, 0o755))
	// Docker's client speaks to its daemon; Podman has none, and works where its files are.
	for program, script := range map[string]string{
		"docker": "exec env DOCKER_HOST=unix://" + ts.MkAbs("docker.sock") + " " + filepath.Join(ts.Getenv("TWICE_CACHE"), "peers/usr/bin/docker") + ` "$@"`,
		"podman": "exec nsenter --target " + first + ` --mount --pid --net --root --wd env PATH=/usr/sbin:/usr/bin HOME=/root sh -c 'cd /script; exec podman --runtime /script/runc --root /script/podman --runroot /run/podman --cgroup-manager cgroupfs --events-backend none "$@"' sh "$@"`,
	} {
		ts.Check(os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	ts.Setenv("TWICE", twiceBinary)
	ts.Setenv("PATH", bin+string(os.PathListSeparator)+ts.Getenv("PATH"))
	ts.Setenv("BUILDKIT", buildkitImage(ts, ts.MkAbs("buildkit.tar")))
	for range 150 {
		if exec.Command(filepath.Join(bin, "docker"), "info").Run() == nil {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	ts.Fatalf("dockerd does not answer:\n%s", ts.ReadFile("docker.log"))
}

// buildkitImage makes an image of the engine's root that Twice composes, with
// the stock daemon and its client, and returns its name by digest.
func buildkitImage(ts *testscript.TestScript, to string) string {
	root := filepath.Join(ts.Getenv("TWICE_CACHE"), "engine-root")
	stage := ts.MkAbs("buildkit-image")
	for _, d := range []string{"usr/bin", "tmp", "etc"} {
		ts.Check(os.MkdirAll(filepath.Join(stage, d), 0o755))
	}
	for _, p := range []string{"buildkitd", "buildctl"} {
		buildStock(ts, p, filepath.Join(stage, "usr", "bin", p))
	}
	base, top := ts.MkAbs("base.tar"), ts.MkAbs("top.tar")
	for dir, file := range map[string]string{root: base, stage: top} {
		if out, err := exec.Command("tar", "-C", dir, "-cf", file, ".").CombinedOutput(); err != nil {
			ts.Fatalf("tar: %v\n%s", err, out)
		}
	}
	im := empty.Image
	for _, file := range []string{base, top} {
		l, err := tarball.LayerFromFile(file)
		ts.Check(err)
		im, err = mutate.AppendLayers(im, l)
		ts.Check(err)
	}
	im, err := mutate.Config(im, v1.Config{Entrypoint: []string{"buildkitd"}, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}})
	ts.Check(err)
	tag, err := name.NewTag("localhost/buildkit:test")
	ts.Check(err)
	ts.Check(tarball.WriteToFile(to, tag, im))
	id, err := im.ConfigName()
	ts.Check(err)
	return id.String()
}

// buildStock builds a program of BuildKit's, as it is.
func buildStock(ts *testscript.TestScript, program, to string) {
	build := exec.Command("go", "build", "-ldflags", "-X github.com/moby/buildkit/version.Version=v0.32.2", "-o", to, "github.com/moby/buildkit/cmd/"+program)
	build.Dir = filepath.Join(ts.Getenv("ROOT"), "cmd", "twice", "testdata", "buildkitd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("building %s: %v\n%s", program, err, out)
	}
}

// copy-volume PROGRAM gives the container that docker or podman will run what the
// engine inside has imported, which saves importing it again: the layout is one.
func cmdCopyVolume(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: copy-volume PROGRAM")
	}
	volume := engine.Container{Program: args[0], Image: ts.Getenv("BUILDKIT")}.Name()
	if out, err := exec.Command(ts.MkAbs(filepath.Join("bin", args[0])), "volume", "create", volume).CombinedOutput(); err != nil {
		ts.Fatalf("%s volume create: %v\n%s", args[0], err, out)
	}
	to := filepath.Join(ts.MkAbs(args[0]), "volumes", volume, "_data")
	ts.Check(os.Remove(to))
	copyState(ts, filepath.Join(ts.Getenv("TWICE_CACHE"), "engine", "buildkit"), to)
}
