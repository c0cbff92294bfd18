//go:build !ahead

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
)

// printChanges says which pins moved, and of Debian packages what their
// changelogs say of the versions between: the packages are fetched for that, as
// the next build would. Where they can't be had the versions are all there is.
func printChanges(ctx context.Context, w io.Writer, tools resolve.Tools, before, after *lock.Lock) error {
	changes := lock.Changes(before, after)
	var items []fetch.Item
	for _, c := range changes {
		if c.Package != nil && c.Before != "" {
			items = append(items, fetch.Item{Kind: "deb", Name: c.Name + " " + c.After, Digest: c.Package.Digest(), Size: c.Package.Size,
				URLs: tools.Resolver.DebianSuite(c.Suite, c.Package.Path)})
		}
	}
	_ = tools.Fetcher.Fetch(ctx, items) // what is missing is said of each
	for _, c := range changes {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name := c.Name
		if len(c.Images) > 0 {
			name += " (" + strings.Join(c.Images, ", ") + ")"
		}
		text := fmt.Sprintf("  %s %s: %s → %s", c.Kind, name, orNone(c.Before), orNone(c.After))
		if c.Package != nil && c.Before != "" {
			text += "  " + fixes(ctx, tools, c)
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(text, " ")); err != nil {
			return err
		}
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// fixes is what a package's changelog names, in a few words.
func fixes(ctx context.Context, tools resolve.Tools, c lock.Change) string {
	f, err := tools.Store.Open(c.Package.Digest())
	if err != nil {
		return "(its changelog can't be had)"
	}
	defer f.Close()
	deb, err := debian.ReadDeb(ctx, f, c.Package.Size)
	var text []byte
	if err == nil {
		text, err = deb.Changelog(ctx)
	}
	if err != nil {
		return "(it has no changelog of its own)"
	}
	found, err := debian.FixesSince(text, c.Before)
	switch {
	case err != nil:
		return "(its changelog can't be read)"
	case len(found.CVEs) == 0:
		return "no CVE is named in its changelog"
	}
	return "fixes " + strings.Join(found.CVEs, ", ")
}
