//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/craton-co/twice/internal/fault"
)

// childConfig is the parent's first message to the engine.
type childConfig struct {
	StateDir string // as the parent sees it
	RootDir  string
	Runc     string // below RootDir
	Cgroups  *cgroups
	CacheMax int64
	Rootless bool  // it is in a user namespace
	OneUser  bool  // which has no user but root
	PIDs     int64 // limit of processes of each user, where no cgroup has one
	Empty    bool  // remove BuildKit's state, answer and end
}

// childReply is the engine's answer, when it is ready or can't be.
type childReply struct {
	Error    string
	Hint     string
	State    bool // BuildKit's state can't be opened
	Runtime  string
	BuildKit string
	Revision string
}

// child is a running engine process.
type child struct {
	cmd     *exec.Cmd
	control *net.UnixConn
	dead    chan struct{} // closed when the process has ended
	err     error         // how it ended; valid after dead
}

// spawn starts the engine process in its namespaces. The process is to die
// with this one. That is tied to the thread that starts it: the thread is kept
// until the process has ended.
//
// Without root it gets a user namespace too, and users by the map.
func spawn(log *os.File, users *idMap) (*child, error) {
	ours, theirs, err := socketPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	control, err := unixConn(ours)
	if err != nil {
		return nil, err
	}
	c := &child{control: control, dead: make(chan struct{})}
	c.cmd = &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{argv0},
		Env:        []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TMPDIR=/tmp", "LANG=C"},
		Dir:        "/",
		Stdout:     log,
		Stderr:     log,
		ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
			Pdeathsig:  syscall.SIGKILL,
			Setsid:     true, // a terminal's Ctrl-C is for the parent
		},
	}
	if users != nil {
		c.cmd.Args = append(c.cmd.Args, rootlessArg)
		c.cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWCGROUP
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with this function
		// Nothing of a personality that the caller has (setarch -R, say) gets
		// to the steps. It belongs to a thread, and this one runs nothing else.
		unix.RawSyscall(unix.SYS_PERSONALITY, 0, 0, 0)
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
			close(c.dead)
		}
	}()
	if err := <-started; err != nil {
		control.Close()
		err = fmt.Errorf("starting the engine process: %w", err)
		if errors.Is(err, fs.ErrPermission) {
			err = fault.Hint(err, privilegedHint)
		}
		return nil, err
	}
	if users != nil {
		if err := mapped(*users, c.cmd.Process.Pid, control); err != nil {
			c.stop(0)
			return nil, err
		}
	}
	return c, nil
}

// stop asks the process to end, and kills it after grace.
func (c *child) stop(grace time.Duration) {
	c.control.CloseWrite()
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-c.dead:
	case <-t.C:
		c.cmd.Process.Kill()
		<-c.dead
	}
	c.control.Close()
}
