package main

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/store"
)

// cargo prepares plain cargo builds of spec and returns what times two of
// them. Each has a new target directory.
func (b *bench) cargo(ctx context.Context, spec string) (func() (time.Duration, error), error) {
	toolchain, err := resolve.BuiltinToolchain()
	if err != nil {
		return nil, err
	}
	rustDir, err := rust.Installed(ctx, toolchain.Pin)
	if err != nil {
		return nil, fmt.Errorf("%w: run `rustup toolchain install %s --profile minimal`", err, toolchain.Channel)
	}
	dir := b.path("cargo", nameOf(spec))
	base := command{
		name: filepath.Join(rustDir, "bin", "cargo"), dir: dir,
		env: []string{
			"PATH=" + filepath.Join(rustDir, "bin") + ":" + os.Getenv("PATH"), "CARGO_HOME=" + b.path("cargo-home"),
			"RUSTFLAGS=", "CARGO_ENCODED_RUSTFLAGS=", "RUSTC_WRAPPER=", "CARGO_INCREMENTAL=", "CARGO_BUILD_JOBS=",
		},
	}
	err = b.once("unpacking "+nameOf(spec)+" for cargo", func() error {
		if err := b.unpackSource(ctx, spec, dir); err != nil {
			return err
		}
		if err := copyCargoConfig(b.path("cargo-home")); err != nil {
			return err
		}
		c := base
		c.args = []string{"fetch", "--locked"}
		_, _, err := c.run(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return func() (time.Duration, error) {
		var builds []command
		for i := range 2 {
			target := b.path("target" + strconv.Itoa(i))
			if err := os.RemoveAll(target); err != nil {
				return 0, err
			}
			c := base
			c.args = []string{"build", "--release", "--frozen", "--quiet", "--target-dir", target}
			builds = append(builds, c)
		}
		return timed(ctx, builds...)
	}, nil
}

func (b *bench) unpackSource(ctx context.Context, spec, dir string) error {
	st, err := store.Open(b.path("cache", "store"))
	if err != nil {
		return err
	}
	settings, err := address.ReadSettings(os.Getenv)
	if err != nil {
		return err
	}
	r, err := address.New(settings.Mirrors, os.Getenv)
	if err != nil {
		return err
	}
	src, err := source.Open(ctx, spec, source.Options{
		Fetcher: &fetch.Fetcher{Store: st, Client: r.HTTPClient()}, Resolver: r, Store: st,
	})
	if err != nil {
		return err
	}
	defer src.Close()
	for _, e := range src.Tree.Entries() {
		if err := unpackEntry(e, filepath.Join(dir, filepath.FromSlash(e.Path))); err != nil {
			return err
		}
	}
	return nil
}

func unpackEntry(e layer.Entry, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch e.Type {
	case tar.TypeDir:
		return os.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return os.Symlink(e.Linkname, name)
	case tar.TypeReg:
	default:
		return fmt.Errorf("%s: a type %q that no source has", e.Path, e.Type)
	}
	var data []byte
	if e.Size > 0 {
		r, err := e.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		if data, err = io.ReadAll(r); err != nil {
			return err
		}
	}
	return os.WriteFile(name, data, fs.FileMode(e.Mode))
}

// copyCargoConfig gives a new CARGO_HOME the mirrors of the user's.
func copyCargoConfig(home string) error {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	from := os.Getenv("CARGO_HOME")
	if from == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return err
		}
		from = filepath.Join(user, ".cargo")
	}
	for _, name := range []string{"config.toml", "config"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			return os.WriteFile(filepath.Join(home, "config.toml"), data, 0o600)
		}
	}
	return nil
}
