//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

func cmdInTools(ts *testscript.TestScript, neg bool, args []string) {
	ts.Fatalf("in-tools mounts a folder: it needs Linux")
}
