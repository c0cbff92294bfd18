package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// in-tools COMMAND … runs a program of the tools' folder there, with the
// script's directory as /mnt.
func cmdInTools(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: in-tools COMMAND …")
	}
	work := filepath.Join(ts.Getenv("TOOLS"), "work")
	ts.Check(os.MkdirAll(work, 0o755))
	ts.Check(syscall.Mount(ts.MkAbs("."), work, "", syscall.MS_BIND, ""))
	defer func() { _ = syscall.Unmount(work, syscall.MNT_DETACH) }()
	// A bare name would be looked for on this machine.
	cmd := exec.Command(filepath.Join("/usr/bin", args[0]), args[1:]...)
	cmd.SysProcAttr, cmd.Dir, cmd.Env = &syscall.SysProcAttr{Chroot: ts.Getenv("TOOLS")}, "/work", []string{"PATH=/usr/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.Fatalf("%v: %v\n%s", args, err, out)
	}
}
