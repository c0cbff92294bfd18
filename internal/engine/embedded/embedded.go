// Package embedded is a BuildKit that Twice brings along: no daemon, no
// Docker, nothing to install.
//
// # How it is built
//
// The program starts itself again as a child (see IsChild and ServeMain), and
// the child is the engine. It lives in mount, PID, IPC, UTS and network
// namespaces of its own, as PID 1, and gets SIGKILL when its parent dies, so
// whatever happens to the parent, the engine, all steps that run in it and
// all mounts go with it. Parent and child speak over a socket pair; there is
// no listening socket and no file that another process could connect to.
//
// Its root is a small tmpfs: the entries of Options.RootDir (runc and the
// libraries that it needs) mounted read-only, a /dev of six devices, /proc,
// /sys, and the state at /state. Nothing else of the machine is visible, so
// the engine does not depend on the distribution. Its environment, umask,
// resource limits and signal dispositions are fixed ones.
//
// # No network
//
// The engine's network namespace has no interface but an unused loopback, and
// each step gets another one. The only network mode of a step is none:
// `RUN --network=host` is refused and `RUN` without a mode has no network.
// Sources other than the inputs of a job (images, git, http) don't exist in
// this engine. No trace socket is mounted in steps and no OTEL_* variable set.
//
// # What a step sees
//
// The environment that the image and the Dockerfile give it, PATH (BuildKit's
// default if neither sets one) and HOME (runc takes it from /etc/passwd);
// /etc/hosts with its host name and /etc/resolv.conf with BuildKit's default
// content, mounted read-only; a /proc, /sys, /dev and /dev/shm of its own.
// With cgroup v1 /proc/self/cgroup and /sys/fs/cgroup name the cgroup's path.
//
// # Containment
//
// Steps run in a cgroup below that of the caller, with limits for all steps
// together: a number of processes and an amount of memory. The engine itself
// is in a sibling group without limits, so that it can always end what runs.
// Cgroup v2 is used if it has the pids and memory controllers, else v1. Where
// the machine gives no such controller the engine still runs, and
// Info.Contained is false. Overlayfs has no quota: while jobs run the free
// space of the state's file system is watched, and they are cancelled when it
// falls below Options.MinFree.
//
// # Without root
//
// Where the caller is not root, or Options.Rootless says so, the engine has a
// user namespace as well, in which it is root and outside of which it is the
// caller. Steps can have other users if /etc/subuid and /etc/subgid lend the
// caller 65536 of each, and newuidmap and newgidmap are installed; else root is
// the only one, and Info.OneUser says why. Steps have no /sys then, the cgroups
// are the caller's own, and what is limited is the number of processes of each
// user, by RLIMIT_NPROC: Info.Contained is false. The kernel must be 5.11 or newer, for
// overlayfs, and let users make user namespaces.
//
// # State
//
//	StateDir/lock         flock of the process that uses it, and its PID
//	StateDir/engine.log   what the engine logs; engine.log.1 is the one before
//	StateDir/cgroups      cgroup directories in use, to be removed by the next
//	                      start if this process can't
//	StateDir/buildkit/    BuildKit's cache: safe to remove when not in use
//	StateDir/unsynced     the boot in which the state was last written, until
//	                      all of it is on the disk
//	StateDir/root/        empty: where the engine's tmpfs is mounted
//
// Two processes can't share an engine's state: the second waits. The file
// system must be able to carry overlayfs (ext4, xfs, btrfs; not overlayfs
// itself, and not NFS). State that BuildKit can't open, and state that was in
// use when the machine stopped, is removed and made anew: it is only a cache.
package embedded

import (
	"os"
	"time"
)

// Options configure an engine. Zero values have the meaning given.
type Options struct {
	StateDir string // kept between runs
	RootDir  string // holds runc and its libraries, as compose.EngineRoot makes it

	PIDs     int64 // limit of processes and threads in all steps together; 0 is 8192
	Memory   int64 // limit of memory of all steps together in bytes; 0 is 7/8 of the machine's
	Rootless bool  // without root, in a user namespace; so it is anyway where the caller isn't root
	MinFree  int64 // bytes to be left free on StateDir's file system; 0 is 1 GiB
	CacheMax int64 // bytes of cache to keep between runs; 0 is 30 GiB

	// Waiting is called once when another process uses StateDir; pid is 0 if
	// it isn't known. Start then waits until that process ends.
	Waiting func(pid int)
}

const (
	defaultPIDs     = 8192
	defaultMinFree  = 1 << 30
	defaultCacheMax = 30 << 30

	startTimeout = 30 * time.Second
	emptyTimeout = time.Hour               // for removing its cache
	stopTimeout  = 1500 * time.Millisecond // then SIGKILL
)

// argv0 is the engine's process name. Together with being PID 1 it is how the
// child knows what it is: PID 1 of a new namespace is nobody else.
const argv0 = "twice-engine"

// IsChild reports whether this process is an engine that Start started. A
// program that uses this package must ask first thing in main, and if so do
// nothing but exit with the status of ServeMain.
func IsChild() bool {
	return os.Getpid() == 1 && len(os.Args) > 0 && os.Args[0] == argv0 || isRunc()
}
