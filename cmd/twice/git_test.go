package main

import (
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// serve-git NAME DIR serves the bare repositories of a directory over HTTP, as
// a host of git does, and sets NAME to the address. serve-git stop NAME ends it.
func cmdServeGit(servers map[string]*httptest.Server) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 2 {
			ts.Fatalf("usage: serve-git NAME DIR | serve-git stop NAME")
		}
		if args[0] == "stop" {
			servers[ts.Getenv(args[1])].Close()
			return
		}
		path, err := exec.Command("git", "--exec-path").Output()
		ts.Check(err)
		srv := httptest.NewServer(&cgi.Handler{
			Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
			Env: []string{
				"PATH=" + os.Getenv("PATH"), "GIT_PROJECT_ROOT=" + ts.MkAbs(args[1]), "GIT_HTTP_EXPORT_ALL=1",
				"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
			},
		})
		servers[srv.URL] = srv
		ts.Defer(srv.Close)
		ts.Setenv(args[0], srv.URL)
	}
}
