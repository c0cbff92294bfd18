package compose

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/store"
)

// The diff IDs that our locks give from an empty store, whenever and wherever.
// A change needs another Version, or another lock. (What the compressor makes
// of them is pinned in package layer.)
var golden = map[string]string{
	"builder-rust": "sha256:014e891872e4a5480d94493f1a844d64739f3153338a2001ae402237837e34a4",
	"engine":       "sha256:9dfb1be31098d3b0e2cda01324ef8b862d1cb54387cbc7694cee5214d293ab0f",
	"runtime-cc":   "sha256:07a1a763952a8ddcf9438be07dc65a83c2264320aa012cd63ff72ec6c592e462",
}

// fetched returns a store that has an image's packages, from the real archive.
func fetched(t *testing.T, name string, groups ...string) (*store.Store, images.Definition) {
	t.Helper()
	f, r := network(t)
	def, err := images.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if def, err = def.With(groups...); err != nil {
		t.Fatal(err)
	}
	if err := f.Fetch(context.Background(), Items(def, r)); err != nil {
		t.Fatal(err)
	}
	return f.Store, def
}

func TestBuilderImage(t *testing.T) {
	st, def := fetched(t, "builder-rust")
	composed(t, st, def, golden[def.Name])
}

func TestBuilderWorks(t *testing.T) {
	st, def := fetched(t, "builder-rust", "git")
	dir := root(t, st, def)
	for name, minor := range map[string]int{"null": 3, "urandom": 9} {
		if err := syscall.Mknod(filepath.Join(dir, "dev", name), syscall.S_IFCHR|0o666, 1<<8|minor); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t, dir, `
		set -eu; export LC_ALL=C.UTF-8; umask 022; cd /tmp
		echo '#include <math.h>
			#include <stdio.h>
			int main(int c, char **v) { printf("C %.0f%c", sqrt(c * 16.0), 10); }' > a.c
		cc -O2 -flto a.c -lm && ./a.out
		c99 -static a.c -lm && ./a.out
		echo '#include <iostream>
			#include <stdexcept>
			#include <vector>
			int main() { try { std::vector<int>().at(9); } catch (std::exception &e) { std::cout << "C++" << std::endl; } }' > b.cc
		c++ b.cc && ./a.out
		printf 'all:\n\t@echo make\n' > Makefile; make
		perl -e 'use strict; use Digest::SHA; use POSIX; use JSON::PP; print "perl\n"'
		pkg-config --exists zlib || echo pkg-config
		echo awk x | awk '{ print $1 }'; echo sex | sed s/x/d/; echo grep | grep -o 'g.*p'
		find /usr/lib -name libm.so.6; tar c a.c | tar t; which cc
		git init -q . && git -c user.name=x -c user.email=x@example.org commit -q --allow-empty -m git && git log --format=%s
		setpriv --reuid 4711 --regid 4711 --clear-groups id -u
		TZ=Asia/Kathmandu date -d @1000000000 +%z; TZ= date -d @0 +%z
		getent passwd nobody | cut -d: -f3
		dpkg --audit; dpkg -S /usr/bin/ld; dpkg-query -W make
		for f in /usr/bin/* /usr/sbin/* /usr/lib/x86_64-linux-gnu/*.so.* /usr/lib/gcc/*/*/*; do
			if ldd "$f" 2> /dev/null | grep 'not found'; then echo "$f"; fi
		done
	`)
	want := "C 4\nC 4\nC++\nmake\nperl\npkg-config\nawk\nsed\ngrep\n/usr/lib/x86_64-linux-gnu/libm.so.6\na.c\n/usr/bin/cc\ngit\n4711\n+0545\n+0000\n65534\n" +
		"binutils: /usr/bin/ld\nmake\t4.3-4.1\n"
	if out != want {
		t.Errorf("in the builder:\n%s\nwant:\n%s", out, want)
	}
}

func TestRuntimeImage(t *testing.T) {
	st, def := fetched(t, "runtime-cc")
	img := composed(t, st, def, golden[def.Name])
	if img.Config.Config.User != "65532" {
		t.Errorf("user %q", img.Config.Config.User)
	}
	dir := root(t, st, def)
	if _, err := os.Stat(filepath.Join(dir, "usr/bin/sh")); err == nil {
		t.Error("it has a shell")
	}
	// The loader finds every library that a library of the image needs.
	libs, err := filepath.Glob(filepath.Join(dir, "usr/lib/x86_64-linux-gnu/*.so.[0-9]"))
	if err != nil || len(libs) < 20 {
		t.Fatalf("libraries %q, %v", libs, err)
	}
	for _, lib := range libs {
		cmd := exec.Command("/lib64/ld-linux-x86-64.so.2", "--list", strings.TrimPrefix(lib, dir))
		cmd.SysProcAttr, cmd.Dir, cmd.Env = &syscall.SysProcAttr{Chroot: dir}, "/", []string{"PATH=/bin"}
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "not found") {
			t.Errorf("%s: %v\n%s", filepath.Base(lib), err, out)
		}
	}
	bundle, err := os.ReadFile(filepath.Join(dir, "etc/ssl/certs/ca-certificates.crt"))
	if n := strings.Count(string(bundle), "-----BEGIN CERTIFICATE-----"); err != nil || n < 100 {
		t.Errorf("%d certificates, %v", n, err)
	}
	for _, path := range []string{"usr/share/zoneinfo/Asia/Kathmandu", "etc/os-release", "etc/services", "etc/mime.types", "home/nonroot"} {
		if _, err := os.Stat(filepath.Join(dir, path)); err != nil {
			t.Error(err)
		}
	}
	for _, p := range def.Locked() {
		for _, path := range []string{"usr/share/doc/" + p.Name + "/copyright", "var/lib/dpkg/status.d/" + p.Name, "var/lib/dpkg/status.d/" + p.Name + ".md5sums"} {
			if fi, err := os.Stat(filepath.Join(dir, path)); err != nil || fi.Size() == 0 {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

func TestEngineImage(t *testing.T) {
	st, def := fetched(t, "engine")
	composed(t, st, def, golden[def.Name])
	dir := root(t, st, def)
	cmd := exec.Command("/usr/sbin/runc", "--version")
	cmd.SysProcAttr, cmd.Dir, cmd.Env = &syscall.SysProcAttr{Chroot: dir}, "/", []string{"PATH=/bin"}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "libseccomp: 2.5.4") {
		t.Errorf("%v\n%s", err, out)
	}
}

func composed(t *testing.T, st *store.Store, def images.Definition, want string) image.Image {
	t.Helper()
	img, err := Builder(context.Background(), st, def, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Config.RootFS.DiffIDs[0].String(); got != want {
		t.Errorf("layer of image %s is %s, want %s", def.Name, got, want)
	}
	return img
}

// root unpacks an image to change root into, or skips.
func root(t *testing.T, st *store.Store, def images.Definition) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("changing root needs root")
	}
	dir := filepath.Join(t.TempDir(), "root")
	if err := EngineRoot(context.Background(), st, def, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Chroot: dir}, "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "HOME=/root"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}
