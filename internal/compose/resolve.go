package compose

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
)

// resolve returns the packages of def, of its groups and of opt.Extra, sorted
// by name. A group is what its packages need beyond the image without it.
func resolve(ix *debian.Index, def images.Definition, opt LockOptions) ([]images.Package, error) {
	all := map[string]images.Package{}
	var base []debian.Package
	if opt.Keep != nil {
		base = kept(ix, opt.Keep, all)
	} else {
		var err error
		if base, err = ix.Resolve(def.Packages, def.Essential, def.Without...); err != nil {
			return nil, err
		}
		for _, p := range base {
			all[p.Name] = locked(p)
		}
		for _, g := range slices.Sorted(maps.Keys(def.Groups)) {
			group := def.Groups[g]
			if err := extend(ix, base, all, g, group.Packages, slices.Concat(def.Without, group.Without)); err != nil {
				return nil, err
			}
		}
	}
	if len(opt.Extra) > 0 {
		if err := extend(ix, base, all, images.Extra, opt.Extra, def.Without); err != nil {
			return nil, err
		}
	}
	out := make([]images.Package, 0, len(all))
	for _, n := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[n])
	}
	return out, nil
}

// extend adds the packages of a group to all.
func extend(ix *debian.Index, base []debian.Package, all map[string]images.Package, group string, names, without []string) error {
	found, err := ix.Extend(base, names, false, without...)
	if err != nil {
		return fmt.Errorf("group %s: %w", group, err)
	}
	for _, p := range found {
		if slices.ContainsFunc(base, func(b debian.Package) bool { return b.Name == p.Name }) {
			continue
		}
		l, ok := all[p.Name]
		if !ok {
			l = locked(p)
		} else if l.SHA256 != p.SHA256.Encoded() {
			return fault.Hint(fmt.Errorf("group %s: needs %s %s, locked for group %s is %s", group, p.Name, p.Version, l.Groups[0], l.Version),
				"the archive has moved on; lock all packages anew with `twice lock --update builder`")
		}
		l.Groups = append(l.Groups, group)
		slices.Sort(l.Groups)
		all[p.Name] = l
	}
	return nil
}

// kept puts a lock's packages into all, without those that only a project
// asked for, and returns those that are in no group. What a package depends on
// and provides is known only if the index still has it in that version.
func kept(ix *debian.Index, lock *images.Lock, all map[string]images.Package) []debian.Package {
	var base []debian.Package
	for _, l := range lock.Packages {
		extra := slices.Contains(l.Groups, images.Extra)
		l.Groups = slices.DeleteFunc(slices.Clone(l.Groups), func(g string) bool { return g == images.Extra })
		if extra && len(l.Groups) == 0 {
			continue
		}
		p, ok := ix.Package(l.Name)
		if !ok || p.SHA256 != l.Digest() {
			if l.ListedAt == "" {
				l.ListedAt = lock.Date.UTC().Format(time.RFC3339)
			}
			p = debian.Package{Name: l.Name, Version: l.Version, Arch: l.Architecture, SHA256: l.Digest()}
		}
		all[l.Name] = l
		if len(l.Groups) == 0 {
			base = append(base, p)
		}
	}
	return base
}

func locked(p debian.Package) images.Package {
	return images.Package{
		Name: p.Name, Version: p.Version, Architecture: p.Arch, Source: p.Source,
		Path: p.Path, Size: p.Size, SHA256: p.SHA256.Encoded(),
	}
}

// Items returns what must be in the store before def, with its selected
// groups, can be composed.
func Items(def images.Definition, r *address.Resolver) []fetch.Item {
	var items []fetch.Item
	for _, p := range def.Locked() {
		listed := def.Lock.Date
		if t, err := time.Parse(time.RFC3339, p.ListedAt); err == nil {
			listed = t
		}
		items = append(items, fetch.Item{
			Kind: "deb", Name: p.Name + " " + p.Version, Digest: p.Digest(), Size: p.Size,
			URLs: r.DebianAt(p.Path, def.Lock.Suite, snapshotTime(listed)),
		})
	}
	return items
}

// snapshotTime returns the time at which the snapshot archive has what a
// release file of that date lists: the archive is copied hours later.
func snapshotTime(t time.Time) string {
	return t.UTC().Add(24 * time.Hour).Format("20060102T150405Z")
}
