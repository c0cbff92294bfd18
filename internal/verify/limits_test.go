package verify

import (
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/resolve"
)

func TestLimits(t *testing.T) {
	const linux = "x86_64-unknown-linux-gnu"
	build := func(target string, env map[string]string) *config.File {
		return &config.File{Builds: []config.Build{{Target: target, Env: env}}}
	}
	flags := func(key string, f ...string) cargo.Config {
		return cargo.Config{Targets: []cargo.TargetConfig{{Key: key, Rustflags: f}}}
	}
	for name, c := range map[string]struct {
		file   *config.File
		config cargo.Config
		want   string // "": none
	}{
		"nothing":         {build(linux, nil), cargo.Config{}, ""},
		"msvc":            {build("x86_64-pc-windows-msvc", nil), cargo.Config{}, "/Brepro"},
		"windows":         {build("x86_64-pc-windows-gnu", nil), cargo.Config{}, "best effort"},
		"mac":             {build("aarch64-apple-darwin", nil), cargo.Config{}, "signature"},
		"native":          {build(linux, nil), flags(linux, "-C", "target-cpu=native"), "has target-cpu=native for " + linux},
		"native, joined":  {build(linux, nil), flags(linux, "-Ctarget-cpu=native"), "target-cpu=native"},
		"for all":         {build(linux, nil), cargo.Config{Build: cargo.BuildConfig{Rustflags: []string{"-Ctarget-cpu=native"}}}, "target-cpu=native"},
		"another target":  {build(linux, nil), flags("aarch64-unknown-linux-gnu", "-Ctarget-cpu=native"), ""},
		"another CPU":     {build(linux, nil), flags(linux, "-Ctarget-cpu=x86-64-v3"), ""},
		"environment":     {build(linux, map[string]string{"CFLAGS_x": "-O2 -march=native"}), cargo.Config{}, "CFLAGS_x has -march=native"},
		"C configuration": {build(linux, nil), cargo.Config{Env: []cargo.EnvVar{{Name: "CFLAGS", Value: "-mtune=native"}}}, "CFLAGS has -mtune=native"},
	} {
		got := limits(&resolve.Project{Config: c.file, Workspace: &cargo.Workspace{Config: c.config}})
		switch {
		case c.want == "" && len(got) > 0, c.want != "" && len(got) != 1:
			t.Errorf("%s: %+v", name, got)
		case c.want != "" && (got[0].Kind != "limit" || !strings.Contains(got[0].Text, c.want)):
			t.Errorf("%s: %+v", name, got)
		}
	}
}
