package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
)

// tools opens the store and what fills it.
func (g *global) tools(p *progress) (resolve.Tools, error) {
	dir, err := store.DefaultDir()
	if err != nil {
		return resolve.Tools{}, err
	}
	st, err := store.Open(dir)
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
	return resolve.Tools{
		Store:    st,
		Resolver: r,
		Fetcher:  &fetch.Fetcher{Store: st, Client: r.HTTPClient(), Offline: g.offline, Progress: p.fetched},
	}, nil
}

// cacheDir is the folder that the store is in; engine and scratch are beside it.
func cacheDir(name string) (string, error) {
	dir, err := store.DefaultDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache: %w", err)
	}
	return filepath.Join(filepath.Dir(dir), name), nil
}
