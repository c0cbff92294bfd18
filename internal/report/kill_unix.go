//go:build unix

package report

import (
	"os/exec"
	"syscall"
)

// killTree makes a command's cancellation end what it started, too.
func killTree(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
