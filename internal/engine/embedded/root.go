//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Where the engine has its things after enterRoot.
const (
	rootState = "/state"
	cgroupDir = "/sys/fs/cgroup"
)

// own are the directories of the engine's root that are not RootDir's.
var own = map[string]bool{"proc": true, "sys": true, "dev": true, "tmp": true, "run": true, "state": true}

// enterRoot builds the engine's root and makes it "/". It runs in the engine's
// own mount namespace.
func enterRoot(cfg childConfig) error {
	// The process may have been started by something that shares its mounts.
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	root := filepath.Join(cfg.StateDir, "root")
	if err := mount("tmpfs", root, "tmpfs", unix.MS_NOSUID, "mode=755,size=256m"); err != nil {
		return err
	}
	for name := range own {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	if err := bindRoot(cfg.RootDir, root); err != nil {
		return err
	}
	if err := mount("proc", root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if cfg.Rootless {
		// Of /sys nothing is wanted, and not every kernel lets it be mounted. runc
		// looks for a cgroup, and finds its own, which it can't write to.
		if err := os.MkdirAll(root+cgroupDir, 0o755); err != nil {
			return err
		}
		if err := mount("cgroup2", root+cgroupDir, "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return err
		}
	} else {
		if err := mount("sysfs", root+"/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, ""); err != nil {
			return err
		}
		if err := mountCgroups(cfg.Cgroups, root+cgroupDir); err != nil {
			return err
		}
	}
	if err := makeDev(root+"/dev", cfg.Rootless); err != nil {
		return err
	}
	if err := mount(filepath.Join(cfg.StateDir, "buildkit"), root+rootState, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting the old root: %w", err)
	}
	return os.Chdir("/")
}

// bindRoot puts the entries of dir into root, read-only.
func bindRoot(dir, root string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(dir, e.Name()), filepath.Join(root, e.Name())
		switch {
		case own[e.Name()]:
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(from)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, to); err != nil {
				return err
			}
		case e.IsDir():
			if err := os.Mkdir(to, 0o755); err != nil {
				return err
			}
			if err := bindReadOnly(from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// bindReadOnly needs two calls: the first ignores the flag.
func bindReadOnly(from, to string) error {
	if err := mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(to, &st); err != nil {
		return err
	}
	keep := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOATIME | unix.MS_RELATIME)
	return mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|keep, "")
}

// mountCgroups shows the engine its own cgroups as if they were the roots.
func mountCgroups(g *cgroups, dir string) error {
	if g.Version == 2 {
		return mount(g.Dirs[""], dir, "", unix.MS_BIND, "")
	}
	if err := mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return err
	}
	for controller, from := range g.Dirs {
		to := filepath.Join(dir, controller)
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		if err := mount(from, to, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

// makeDev makes the devices that runc and Go programs want.
// Without root they can't be made: they are the machine's own.
func makeDev(dir string, rootless bool) error {
	if err := mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return err
	}
	defer syscall.Umask(syscall.Umask(0))
	devices := map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
	if rootless {
		devices["tty"] = 0 // runc binds a step's from here
	}
	for name, minor := range devices {
		path := filepath.Join(dir, name)
		if rootless {
			if err := os.WriteFile(path, nil, 0o666); err != nil {
				return err
			}
			if err := mount("/dev/"+name, path, "", unix.MS_BIND, ""); err != nil {
				return err
			}
			continue
		}
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return &fs.PathError{Op: "mknod", Path: path, Err: err}
		}
	}
	return os.Symlink("/proc/self/fd", filepath.Join(dir, "fd"))
}

// emptyDir removes what is in a directory.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func mount(from, to, kind string, flags uintptr, data string) error {
	if err := unix.Mount(from, to, kind, flags, data); err != nil {
		return &fs.PathError{Op: "mount", Path: to, Err: err}
	}
	return nil
}

// fixProcess sets what steps would otherwise inherit from whoever called
// Twice. Limits that may not be raised stay as low as they are.
func fixProcess(cfg childConfig) error {
	syscall.Umask(0o022)
	if err := unix.Sethostname([]byte(argv0)); err != nil {
		return fmt.Errorf("sethostname: %w", err)
	}
	const infinity = unix.RLIM_INFINITY
	processes := uint64(infinity) // pids.max counts instead
	if cfg.Rootless {
		// In a user namespace this binds root too, since Linux 5.14 to those in it.
		processes = uint64(cfg.PIDs)
	}
	limits := []struct {
		kind       int
		soft, hard uint64
	}{
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_STACK, 8 << 20, infinity},
		{unix.RLIMIT_NOFILE, 65536, 524288},
		{unix.RLIMIT_NPROC, processes, processes},
		{unix.RLIMIT_CPU, infinity, infinity},
		{unix.RLIMIT_FSIZE, infinity, infinity},
		{unix.RLIMIT_DATA, infinity, infinity},
		{unix.RLIMIT_AS, infinity, infinity},
	}
	var errs []error
	for _, l := range limits {
		want := syscall.Rlimit{Cur: l.soft, Max: l.hard}
		err := syscall.Setrlimit(l.kind, &want)
		if errors.Is(err, unix.EPERM) {
			var have syscall.Rlimit
			if err = syscall.Getrlimit(l.kind, &have); err == nil {
				err = syscall.Setrlimit(l.kind, &syscall.Rlimit{Cur: min(l.soft, have.Max), Max: min(l.hard, have.Max)})
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("setrlimit %d: %w", l.kind, err))
		}
	}
	return errors.Join(errs...)
}
