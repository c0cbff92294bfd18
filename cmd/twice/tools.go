package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/remotestore"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
)

// tools opens the store and what fills it.
func (g *global) tools(ctx context.Context, p *progress) (resolve.Tools, error) {
	st, err := openStore(ctx)
	if err != nil {
		return resolve.Tools{}, err
	}
	settings, err := address.ReadSettings(os.Getenv)
	if err != nil {
		return resolve.Tools{}, err
	}
	newResolver := func() (*address.Resolver, error) { return address.New(settings.Mirrors, os.Getenv) }
	if g.noMirror {
		newResolver = func() (*address.Resolver, error) { return address.Upstream(os.Getenv) }
	}
	r, err := newResolver()
	if err != nil {
		return resolve.Tools{}, err
	}
	if err := trustForGit(r); err != nil {
		return resolve.Tools{}, err
	}
	f := &fetch.Fetcher{Store: st, Client: r.HTTPClient(), Offline: g.offline, Progress: p.fetched}
	if !g.offline {
		if err := r.Discover(ctx, f.Get); err != nil {
			p.message("warning: %s", err)
		}
	}
	remote, err := remotestore.Open(ctx, remotestore.Options{
		From: cmp.Or(g.from, os.Getenv("TWICE_STORE_FROM")), To: cmp.Or(g.to, os.Getenv("TWICE_STORE_TO")),
		Warn: func(text string) { p.message("warning: %s", text) },
	})
	if err != nil {
		return resolve.Tools{}, err
	}
	remote.Attach(f)
	tools := resolve.Tools{Store: st, Resolver: r, Fetcher: f, Remote: remote}
	if g.bundle != "" {
		p.Start("bundle")
		if err := inputs.ReadBundle(ctx, tools, g.bundle); err != nil {
			return resolve.Tools{}, err
		}
	}
	return tools, nil
}

// keepInputs puts what the run used into the store of --store-to, and says what
// went where.
func keepInputs(ctx context.Context, tools resolve.Tools, p *progress) {
	if got := tools.Remote.Taken(); got.Sent > 0 {
		p.say("store", fmt.Sprintf("took %d blobs, %s", got.Sent, verdict.Size(got.SentBytes)))
	}
	if tools.Remote.Writes() {
		p.Start("store")
		start := time.Now()
		moved := tools.Remote.Save(ctx, tools.Store)
		p.pause(false)
		if moved.Sent > 0 {
			p.Done("store", fmt.Sprintf("sent %d blobs, %s; it had %d, %s", moved.Sent, verdict.Size(moved.SentBytes), moved.Shared, verdict.Size(moved.SharedBytes)), time.Since(start))
		}
	}
	if err := tools.Remote.Close(); err != nil {
		p.message("warning: closing the store: %s", err)
	}
}

// trustForGit has git trust what our own requests trust: one setting is enough
// for a company's certificate.
func trustForGit(r *address.Resolver) error {
	pem, err := r.GitCertificates(os.Getenv)
	if err != nil || pem == "" {
		return err
	}
	dir, err := cacheDir("certificates.pem")
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(dir); err != nil || string(old) != pem {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return err
		}
		if err := replaceFile(dir, []byte(pem)); err != nil {
			return fault.Hint(fmt.Errorf("writing certificates for git: %w", err),
				"set TWICE_CACHE to a directory of your own, or GIT_SSL_CAINFO to a PEM file that git is to trust")
		}
	}
	return os.Setenv("GIT_SSL_CAINFO", dir)
}

// openFetched opens a source with its lock, and brings its inputs into the
// store. Close the project when done.
func openFetched(ctx context.Context, tools resolve.Tools, spec string, opt resolve.Options) (*resolve.Project, error) {
	proj, err := resolve.Open(ctx, tools, spec, opt)
	if err != nil {
		return nil, err
	}
	if err = proj.UseLock(ctx, tools); err == nil {
		err = proj.Missing(inputs.Fetch(ctx, tools, proj))
	}
	if err != nil {
		_ = proj.Close()
		return nil, err
	}
	return proj, nil
}

// openStore opens the user's store, which is made if it isn't there.
func openStore(ctx context.Context) (*store.Store, error) {
	if err := useCache(ctx); err != nil {
		return nil, err
	}
	dir, err := cacheDir("store")
	if err != nil {
		return nil, err
	}
	return store.Open(dir)
}

// cacheDir is a folder in the user's cache: the store, the engine's state and
// its root, the scratch folder of runs.
func cacheDir(name string) (string, error) {
	dir, err := store.DefaultDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// replaceFile writes a file in one step.
func replaceFile(name string, data []byte) error {
	return writeWhole(name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
