package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// files looks for a way to the files of the host in every way that it knows, and
// prints a line for each. Arguments are the path of a file that the host has, and
// the number of a device that its disk is, major:minor. It leaves nothing behind on a
// host: what opens a door closes it again.
func files(args []string) error {
	secret, device := args[0], args[1]
	reads := func(what, path string) {
		_, err := os.ReadFile(path)
		ok(what, err != nil, path)
	}
	reads("the path itself", secret)
	found := "none"
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range append(procs, "/proc/self") {
		for _, through := range []string{"root", "cwd"} {
			if _, err := os.Stat(filepath.Join(p, through, secret)); err == nil {
				found = p + "/" + through
			}
		}
	}
	ok("root of a process", found == "none", found)
	found = "none"
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if _, err := os.Stat("/proc/self/fd/" + fd.Name() + "/../../../../../../../../" + secret); err == nil {
			found = fd.Name()
		}
	}
	ok("inherited directory", found == "none", found)
	ok("climbing chroot", !climbs(secret), secret)
	ok("file by handle", !byHandle(), "open_by_handle_at of inode 2")
	ok("device node", !disk(device), device)
	found = "none"
	filepath.WalkDir("/dev", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeDevice != 0 && d.Type()&fs.ModeCharDevice == 0 {
			found = path
		}
		return nil
	})
	ok("disk in /dev", found == "none", found)
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, m := range [][2]string{{"proc", "proc"}, {"tmpfs", "tmpfs"}} {
		err := syscall.Mount(m[0], dir, m[1], 0, "")
		if err == nil {
			err = errors.Join(syscall.Unmount(dir, syscall.MNT_DETACH))
			ok("mount of "+m[1], false, err)
			continue
		}
		ok("mount of "+m[1], true, err)
	}
	err = syscall.Mount("/", dir, "", syscall.MS_BIND, "")
	if err == nil {
		err = syscall.Unmount(dir, syscall.MNT_DETACH)
		ok("bind mount", false, err)
	} else {
		ok("bind mount", true, err)
	}
	// What the kernel runs on the host's behalf.
	for _, name := range []string{"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"} {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		ok("writing "+name, err != nil, err)
	}
	for _, name := range []string{"/proc/kcore", "/dev/mem", "/dev/kmsg"} {
		f, err := os.Open(name)
		n := 0
		if err == nil {
			n, err = f.Read(make([]byte, 1))
			f.Close()
		}
		ok("reading "+name, err != nil || n == 0, err)
	}
	return nil
}

// climbs leaves a chroot as those do that have the right to make another.
func climbs(secret string) bool {
	up, err := os.Open("/")
	if err != nil {
		return false
	}
	defer up.Close()
	dir, err := os.MkdirTemp("", "chroot")
	if err != nil {
		return false
	}
	if syscall.Chroot(dir) != nil {
		_ = os.Remove(dir)
		return readable(secret)
	}
	_ = up.Chdir()
	_ = os.Chdir(strings.Repeat("../", 60))
	_ = syscall.Chroot(".")
	_ = os.Remove(dir)
	return readable(secret)
}

func readable(path string) bool {
	_, err := os.ReadFile(path)
	return err == nil
}

// byHandle opens a file system's root by its number, past all mounts.
func byHandle() bool {
	type handle struct {
		size uint32
		kind int32
		data [8]byte
	}
	h := handle{size: 8, kind: 1, data: [8]byte{2}}
	root, err := os.Open("/")
	if err != nil {
		return false
	}
	defer root.Close()
	fd, _, errno := syscall.Syscall(304, root.Fd(), uintptr(unsafe.Pointer(&h)), syscall.O_RDONLY)
	if errno == 0 {
		syscall.Close(int(fd))
	}
	// The right is there if it is another error than EPERM: not each file system has an inode 2.
	return errno == 0 || errno == syscall.ESTALE || errno == syscall.EOPNOTSUPP || errno == syscall.EINVAL
}

// disk makes a node for a disk of the host and reads from it.
func disk(device string) bool {
	major, minor, _ := strings.Cut(device, ":")
	ma, err1 := strconv.Atoi(major)
	mi, err2 := strconv.Atoi(minor)
	if err1 != nil || err2 != nil {
		fmt.Println("probe: no device", device)
		os.Exit(3)
	}
	name := filepath.Join(os.TempDir(), "probe-disk")
	if err := syscall.Mknod(name, syscall.S_IFBLK|0o600, ma<<8|mi); err != nil {
		return false
	}
	defer os.Remove(name)
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	n, _ := f.Read(make([]byte, 512))
	return n > 0
}

// marks fails if another build's mark is found, marks every place that it can
// write to, and fails if it doesn't find its own marks.
func marks(args []string) error {
	look := func() (found []string) {
		filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
			if path == "/proc" || path == "/sys" {
				return fs.SkipDir
			}
			if err == nil && filepath.Base(path) == "twice-mark" {
				found = append(found, path)
			}
			return nil
		})
		return found
	}
	if found := look(); len(found) > 0 {
		return fmt.Errorf("marks of another build: %v", found)
	}
	n := 0
	for _, dir := range []string{"/", "/out", "/tmp", "/dev", "/dev/shm", "/run", "/etc", "/in"} {
		if os.WriteFile(filepath.Join(dir, "twice-mark"), nil, 0o644) == nil {
			n++
		}
	}
	if found := look(); n < 2 || len(found) != n {
		return fmt.Errorf("%d places were marked, %v are found", n, found)
	}
	return os.Remove("/out/twice-mark")
}
