package address

import (
	"context"
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// cratesIO is the default registry in Cargo.lock.
const cratesIO = "registry+https://github.com/rust-lang/crates.io-index"

// Asker is how a registry's index is asked.
type Asker struct {
	Get func(ctx context.Context, urls []string, max int64) ([]byte, error) // Fetcher.Get
	Git func(ctx context.Context, url string) ([]byte, error)               // config.json in the default branch of a repository
}

// OpenIndex asks the index of a registry where its crates are. The index is
// named as in Cargo.lock, or as in Cargo's configuration; names are what the
// sources call the registry, for its token. CrateOf knows the registry then.
func (r *Resolver) OpenIndex(ctx context.Context, index string, names []string, ask Asker) error {
	id := strings.TrimPrefix(index, "registry+")
	if _, ok := r.indexes[id]; ok || index == cratesIO {
		return nil
	}
	t := &token{ask: func(ctx context.Context) (string, error) { return r.cargo.token(ctx, id, r.cargo.names(id, names)) }}
	var data []byte
	var err error
	if sparse, ok := strings.CutPrefix(id, "sparse+"); ok {
		if sparse, err = checkAddress("Cargo.lock", sparse); err == nil {
			r.logins.authorize(strings.TrimRight(sparse, "/")+"/", t)
			data, err = ask.Get(ctx, []string{join(sparse, "config.json")}, 64<<10)
		}
	} else {
		data, err = ask.Git(ctx, id)
	}
	if err == nil {
		var dl string
		var login bool
		if dl, login, err = parseRegistryConfig(data); err == nil {
			t.mu.Lock()
			t.eager = t.eager || login
			t.mu.Unlock()
			prefix, _, _ := strings.Cut(dl, "{")
			r.logins.authorize(prefix, t)
			if r.indexes == nil {
				r.indexes = map[string]crateSource{}
			}
			r.indexes[id] = crateSource{dl: dl}
			return nil
		}
	}
	return fault.Hintf(fmt.Errorf("crate registry %s: %w", id, err), "`cargo fetch` has to work with this machine's configuration; what was fetched before, or a bundle, needs no registry")
}

// CrateOf returns the addresses of a crate of the registry that source, as in
// Cargo.lock, names. Checksum is the crate's SHA-256 in hex. Instead, where
// it isn't "", is the index of a registry that goes before that one.
func (r *Resolver) CrateOf(source, instead, name, version, checksum string) []string {
	var out []string
	for _, index := range []string{instead, source} {
		if index == source && (source == "" || source == cratesIO) {
			for _, a := range r.Crate(name, version) {
				out = add(out, a)
			}
			continue
		}
		if c, ok := r.indexes[strings.TrimPrefix(index, "registry+")]; ok && index != "" {
			if a := c.crate(name, version, checksum); a != "" {
				out = add(out, a)
			}
		}
	}
	return out
}
