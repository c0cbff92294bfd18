package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
)

// LockOptions says what to lock beside what the definition asks for.
type LockOptions struct {
	// Extra names packages that a project wants beside the definition's. They
	// are locked as the group images.Extra.
	Extra []string
	// Keep is a lock of the same definition whose packages stay as they are:
	// only those of Extra are taken from the archive as it is now. Nil:
	// everything is.
	Keep *images.Lock
}

const maxInRelease = 16 << 20

// Lock resolves def, its groups and opt.Extra against Debian's archive as it is
// now. The same archive gives the same lock.
func Lock(ctx context.Context, f *fetch.Fetcher, r *address.Resolver, def images.Definition, opt LockOptions) (images.Lock, error) {
	keyring, err := images.Keyring(def.Suite)
	if err != nil {
		return images.Lock{}, err
	}
	lock, err := lockImage(ctx, f, r, def, opt, keyring)
	if err != nil {
		return images.Lock{}, fmt.Errorf("locking image %s: %w", def.Name, err)
	}
	return lock, nil
}

func lockImage(ctx context.Context, f *fetch.Fetcher, r *address.Resolver, def images.Definition, opt LockOptions, keyring []byte) (images.Lock, error) {
	var notBefore time.Time
	if opt.Keep != nil {
		notBefore = opt.Keep.Date
	}
	rel, in, err := release(ctx, f, r, def, keyring, notBefore)
	if err != nil {
		return images.Lock{}, err
	}
	index, ix, err := packageIndex(ctx, f, r, def, rel)
	if err != nil {
		return images.Lock{}, err
	}
	lock := images.Lock{
		Version: 1, Suite: def.Suite, Release: rel.Version, Date: rel.Date.UTC(),
		Component: def.Component, Architecture: def.Architecture,
		InRelease: in, Index: index,
	}
	lock.Packages, err = resolve(ix, def, opt)
	if err != nil {
		return images.Lock{}, err
	}
	return lock, lock.Check()
}

// release returns the suite's release file from the first address that has one
// with a good signature that isn't older than notBefore.
func release(ctx context.Context, f *fetch.Fetcher, r *address.Resolver, def images.Definition, keyring []byte, notBefore time.Time) (*debian.Release, images.InRelease, error) {
	var errs []error
	for _, url := range r.DebianSuite(def.Suite, "dists/"+def.Suite+"/InRelease") {
		data, err := f.Get(ctx, []string{url}, maxInRelease)
		if ctx.Err() != nil {
			return nil, images.InRelease{}, context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rel, signer, err := debian.VerifyInRelease(data, keyring)
		if err == nil {
			err = matches(rel, def)
		}
		if err == nil && !rel.ValidUntil.IsZero() && time.Now().After(rel.ValidUntil) {
			err = fault.Hint(fmt.Errorf("its release file was valid until %s", rel.ValidUntil.Format(time.RFC3339)), "try another mirror; is the clock right?")
		}
		if err == nil && rel.Date.Before(notBefore) {
			err = fault.Hint(fmt.Errorf("its release file is of %s, the lock's of %s: it is out of date, or serves an old state",
				rel.Date.Format(time.RFC3339), notBefore.Format(time.RFC3339)), "try another mirror")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", url, err))
			continue
		}
		sum := sha256.Sum256(data)
		return rel, images.InRelease{
			SHA256: hex.EncodeToString(sum[:]), SignedBy: signer.Fingerprint, Key: signer.Key,
			Signer: signer.Name, SignedAt: signer.Time,
		}, nil
	}
	if len(errs) == 0 {
		return nil, images.InRelease{}, fmt.Errorf("no address for suite %s", def.Suite)
	}
	return nil, images.InRelease{}, errors.Join(errs...)
}

// matches refuses a release file that is good, but another suite's.
func matches(rel *debian.Release, def images.Definition) error {
	switch {
	case rel.Codename != def.Suite && rel.Suite != def.Suite:
		return fmt.Errorf("it is the release file of %s", rel.Codename)
	case !slices.Contains(rel.Components, def.Component):
		return fmt.Errorf("suite %s has no component %s", def.Suite, def.Component)
	case !slices.Contains(rel.Architectures, def.Architecture):
		return fmt.Errorf("suite %s has no architecture %s", def.Suite, def.Architecture)
	}
	return nil
}

func packageIndex(ctx context.Context, f *fetch.Fetcher, r *address.Resolver, def images.Definition, rel *debian.Release) (images.Index, *debian.Index, error) {
	name := def.Component + "/binary-" + def.Architecture + "/Packages.xz"
	file, ok := rel.Files[name]
	if !ok {
		return images.Index{}, nil, fmt.Errorf("the release file does not list %s", name)
	}
	dists := "dists/" + def.Suite + "/"
	item := fetch.Item{
		Kind: "debian-index", Name: path.Join(def.Suite, name), Digest: file.Digest, Size: file.Size,
		// By hash first: that name does not change its content when the archive does.
		URLs: slices.Concat(
			r.DebianSuite(def.Suite, dists+path.Dir(name)+"/by-hash/SHA256/"+file.Digest.Encoded()),
			r.DebianSuite(def.Suite, dists+name)),
	}
	if err := f.Fetch(ctx, []fetch.Item{item}); err != nil {
		return images.Index{}, nil, err
	}
	blob, err := f.Store.Open(file.Digest)
	if err != nil {
		return images.Index{}, nil, err
	}
	defer blob.Close()
	text, err := debian.Decompress(ctx, name, blob)
	if err != nil {
		return images.Index{}, nil, err
	}
	defer text.Close()
	ix, err := debian.ParsePackages(text)
	if err != nil {
		return images.Index{}, nil, err
	}
	return images.Index{Path: name, Size: file.Size, SHA256: file.Digest.Encoded()}, ix, nil
}
