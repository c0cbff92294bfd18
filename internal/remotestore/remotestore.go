// Package remotestore takes inputs from another store, and puts there what a run
// used: a directory that is kept between jobs, or a repository of a registry. A
// machine that has nothing then neither asks many hosts nor composes again what
// is known by its digest.
//
// # What is in it
//
// Blobs, each by its SHA-256, and claims. A claim says what a blob is: a kind, a
// key that the reader knows (the digest of a toolchain's files, say) and a short
// text. Nothing else is carried: no verdict, no output of a step, nothing of an
// engine.
//
// # Trust
//
// None. The store may be anybody's. A blob is used if it has the digest that was
// asked for. A claim only tells where to look: who asks for one has another hash
// to compare with. At worst a remote store is of no use.
//
// For the same reason it is never in the way: what it lacks, or has wrong, is had
// from elsewhere, and one that can't be reached costs a warning.
//
// # A directory
//
// That of a store ([store.Store]), or one that has a store in its folder "store",
// as Twice's own cache has: a claim is what is remembered there. It is made when
// it is written to. "twice store gc" clears it (TWICE_CACHE=DIR), and waits for
// who uses it.
//
// # A repository
//
// Blobs are layers of artefacts (application/vnd.twice.store.v1+json), so that
// the registry keeps them and other tools copy them. A claim is an artefact with
// the blobs that it is about, and its text as annotation; its tag is KIND-KEY. What
// a run used is an artefact with the tag inputs-HEX, after the list's digest: an
// equal run finds by one question that all is there. Blobs are asked for by
// digest; a list need not be read for that. Writers can't disturb each other: a
// tag comes after all that it names, and equal tags of inputs have equal content.
package remotestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/transfer"
)

// Scheme is before the name of a repository: oci://registry/name.
const Scheme = "oci://"

// Claim is what somebody says of blobs.
type Claim struct {
	Kind  string // letters, digits and "-", see store.Remember
	Key   digest.Digest
	Value []byte // text of at most 64 KiB
	Blobs []ocispec.Descriptor
}

// Options of Open.
type Options struct {
	From, To string // a directory or oci://registry/name; "": none
	// Warn says what is wrong with a store, one line a time.
	Warn func(text string)
}

// Remote is up to two stores: one to take from, one to put into. Nil is neither.
// Its methods may be called concurrently.
type Remote struct {
	from, to place
	opt      Options
	bad      sync.Map // see directory

	mu     sync.Mutex
	ready  bool
	used   map[digest.Digest]ocispec.Descriptor
	claims map[string]Claim
	taken  transfer.Moved // Sent: what came from there
}

// place is a remote store.
type place interface {
	fmt.Stringer
	// other is how a Fetcher with this store asks for blobs; it may change f.Client.
	other(f *fetch.Fetcher) *fetch.Other
	// claim returns the value of one; the error wraps fs.ErrNotExist if there is none.
	claim(ctx context.Context, kind string, key digest.Digest) ([]byte, error)
	// save writes what is missing.
	save(ctx context.Context, st *store.Store, used []ocispec.Descriptor, claims []Claim) (transfer.Moved, error)
	Close() error
}

// Open finds both stores. It is an error if a name is malformed; a store that isn't
// there, or can't be used, costs a warning.
func Open(ctx context.Context, opt Options) (*Remote, error) {
	r := &Remote{opt: opt, used: map[digest.Digest]ocispec.Descriptor{}, claims: map[string]Claim{}}
	var err error
	if opt.From != "" {
		if r.from, err = r.open(ctx, opt.From, false); err != nil {
			return nil, err
		}
	}
	if opt.To != "" {
		if r.to, err = r.open(ctx, opt.To, true); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

func (r *Remote) open(ctx context.Context, name string, write bool) (place, error) {
	if strings.HasPrefix(name, Scheme) {
		p, err := openRepository(strings.TrimPrefix(name, Scheme), func(err error) { r.warn(name, err) })
		if err != nil {
			return nil, err
		}
		return p, nil
	}
	p, err := openDirectory(ctx, name, write, &r.bad)
	if err == nil {
		p.failed = func(err error) { r.warn(name, err) }
		return p, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !write && name == r.opt.To && errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the first run makes it
	}
	r.warn(name, err)
	return nil, nil
}

func (r *Remote) warn(name string, err error) {
	text := fmt.Sprintf("the store %s: %v", name, err)
	if h := fault.HintOf(err); h != "" {
		text += " (" + h + ")"
	}
	r.opt.Warn(strings.Join(strings.Fields(text), " "))
}

// Close gives the stores up.
func (r *Remote) Close() error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, p := range []place{r.from, r.to} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// Reads tells whether there is a store to take from.
func (r *Remote) Reads() bool { return r != nil && r.from != nil }

// Writes tells whether there is a store to put into.
func (r *Remote) Writes() bool { return r != nil && r.to != nil }

// Attach has a Fetcher ask the store, and hears what it brings.
func (r *Remote) Attach(f *fetch.Fetcher) {
	if r == nil {
		return
	}
	if r.from != nil {
		f.Other = r.from.other(f)
	}
	told := f.Progress
	f.Progress = func(e fetch.Event) {
		if e.Kind == fetch.Done && e.Item != nil {
			r.Use(ocispec.Descriptor{Digest: e.Item.Digest})
			if e.From == fetch.FromOther {
				r.mu.Lock()
				r.taken.Sent, r.taken.SentBytes = r.taken.Sent+1, r.taken.SentBytes+e.Bytes
				r.mu.Unlock()
			}
		}
		if told != nil {
			told(e)
		}
	}
}

// Claim asks for what the store says of a key; ok is false where it says nothing.
// Nobody vouches for it.
func (r *Remote) Claim(ctx context.Context, kind string, key digest.Digest) (value []byte, ok bool) {
	if !r.Reads() {
		return nil, false
	}
	value, err := r.from.claim(ctx, kind, key)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil {
			r.warn(r.from.String(), err)
		}
		return nil, false
	}
	return value, true
}

// Bad warns of a claim that was not true.
func (r *Remote) Bad(err error) {
	if r.Reads() {
		r.warn(r.from.String(), err)
	}
}

// Use notes blobs that the run needed.
func (r *Remote) Use(blobs ...ocispec.Descriptor) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range blobs {
		r.used[b.Digest] = b
	}
}

// Say notes a claim, for who has the same key.
func (r *Remote) Say(c Claim) {
	if r == nil {
		return
	}
	r.Use(c.Blobs...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims[c.Kind+" "+c.Key.String()] = c
}

// Ready says that what was noted is all that the run needs: it is worth keeping,
// whatever comes of the builds.
func (r *Remote) Ready() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = true
}

// Taken is what came from the store: Sent and SentBytes.
func (r *Remote) Taken() transfer.Moved {
	if r == nil {
		return transfer.Moved{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// Save puts what was noted into the store, if the run was Ready. A failure costs a
// warning.
func (r *Remote) Save(ctx context.Context, st *store.Store) transfer.Moved {
	if !r.Writes() {
		return transfer.Moved{}
	}
	r.mu.Lock()
	ready := r.ready
	var used []ocispec.Descriptor
	for _, b := range r.used {
		if size, err := st.Size(b.Digest); err == nil {
			used = append(used, ocispec.Descriptor{Digest: b.Digest, Size: size})
		}
	}
	var claims []Claim
	for _, c := range r.claims {
		claims = append(claims, c)
	}
	r.mu.Unlock()
	if !ready {
		return transfer.Moved{}
	}
	slices.SortFunc(used, func(a, b ocispec.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	slices.SortFunc(claims, func(a, b Claim) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key)) })
	moved, err := r.to.save(ctx, st, used, claims)
	if err != nil && ctx.Err() == nil {
		r.warn(r.to.String(), err)
	}
	return moved
}
