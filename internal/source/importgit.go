package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// importConfig takes the place of what a repository of unknown origin brings.
const importConfig = `[core]
	repositoryformatversion = 0
	bare = true
[uploadpack]
	allowAnySHA1InWant = true
`

// ImportGit takes the commits of a repository that GitBundleTree made, in from,
// into the cache of FetchGit, as if it had fetched them. git checks each object
// against its id. from must have no other files than GitBundleTree writes;
// its configuration is overwritten.
func ImportGit(ctx context.Context, from, cache string) error {
	if err := importGit(ctx, from, cache); err != nil {
		return fmt.Errorf("reading bundled repository %s: %w", filepath.Base(from), err)
	}
	return nil
}

func importGit(ctx context.Context, from, cache string) error {
	if err := os.WriteFile(filepath.Join(from, "config"), []byte(importConfig), 0o644); err != nil {
		return err
	}
	out, err := repo{from}.git(ctx, "for-each-ref", "--format=%(objectname)", "refs/heads/twice-*")
	if err != nil {
		return err
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	unlock, err := lockDir(ctx, cache)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := openCache(ctx, cache)
	if err != nil {
		return err
	}
	f := &gitFetcher{repo: r}
	for _, commit := range strings.Fields(string(out)) {
		if err := f.fetch(ctx, []string{fileURL(from)}, commit); err != nil {
			return err
		}
	}
	return nil
}
