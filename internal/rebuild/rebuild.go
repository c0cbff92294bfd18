// Package rebuild builds again what somebody else has built, from nothing but
// what they say of it, and compares.
//
// # What is taken from where
//
// The statement (package provenance) has the source by hash, twice.toml as it was
// completed, twice.lock, the epoch and the plan's digest. The source itself comes
// from its registry, from the repository that the statement names, or from a
// clone that the user has. Its own twice.toml and twice.lock are not used; that
// they are others is a warning.
//
// # The order
//
// Each check stops the ones that follow, so that an incident is never taken for
// a mismatch:
//
//  1. The statement says what it is in its one form. Where there is a policy, it
//     is signed by who may sign. Else: INCIDENT.
//  2. What was released has the digests that the statement gives it: INCIDENT.
//  3. The inputs have the hashes that the statement gives them: INCIDENT.
//  4. What follows from the source and the lock (the crates, the packages, the
//     epoch) is what the statement says: INCIDENT, for it contradicts itself.
//  5. What follows from them by this version of Twice (images, plans) is what
//     the statement says: OTHER INPUTS. Another version may compose another builder.
//  6. The bits: REPRODUCIBLE, MISMATCH, or SAME CONTENT.
//
// Then the rebuild writes a statement of its own. It is the same bytes if nothing
// differs.
package rebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/reference"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/opencontainers/go-digest"
)

// Claim is what is to be built again.
type Claim struct {
	Statement *provenance.Statement
	Bytes     []byte // the statement as it was signed
	// Records are the run records about it, by whoever wrote them.
	Records []*provenance.Record
	// By are the identities that signed it; Unchecked is why nobody looked.
	By        []string
	Unchecked string
	// Others are other statements, unsigned where this one is signed, by digest.
	Others string
}

// What the parts of a claim are called.
const (
	theStatement = "the statement"
	theRecord    = "the run record"
)

// Source is what the verify package takes for the claim's source: where it is
// and how it is to be read. from, if it isn't empty, is a directory or a
// "git+URL" that has the commit.
func (c *Claim) Source(ctx context.Context, from string) (spec string, opt resolve.Options, err error) {
	def := c.Statement.Predicate.BuildDefinition
	src := def.ExternalParameters.Source
	if err := def.ExternalParameters.Config.Valid(); err != nil {
		return "", opt, &verdict.Incident{Of: theStatement, What: "the settings in the statement", By: "what settings can be", Why: err.Error()}
	}
	lock, err := c.Statement.Lock()
	if err != nil {
		return "", opt, &verdict.Incident{Of: theStatement, What: "twice.lock in the statement", By: "the statement itself", Why: err.Error()}
	}
	opt = resolve.Options{Profile: def.ExternalParameters.Profile, Dirty: src.Dirty,
		Given: &resolve.Given{Config: def.ExternalParameters.Config, Lock: lock, Checksum: src.SHA256, Prefix: src.Prefix, Dir: src.Dir, Tags: src.Tags}}
	if def.InternalParameters.EpochFrom == source.FromOverride {
		opt.Epoch = &def.InternalParameters.Epoch
	}
	switch {
	case src.Crate != "" && from != "":
		return "", opt, fault.Hint(fmt.Errorf("the statement is about a published crate, %s, which is fetched by its hash", src.Crate), "leave --source out")
	case src.Crate != "":
		return "crate:" + src.Crate, opt, nil
	case src.Archive && from == "":
		return "", opt, fault.Hint(fmt.Errorf("the statement is about an archive of sources, of SHA-256 %s", src.SHA256), "give it: --source FILE or its address")
	case src.Archive:
		return from, opt, nil
	case strings.HasPrefix(from, "git+"):
		if src.Commit == "" || src.Dirty {
			return "", opt, unclean(src)
		}
		at, _, _ := strings.Cut(strings.TrimPrefix(from, "git+"), "#")
		return "git+" + at + "#" + src.Commit, opt, nil
	case from != "" && (src.Dirty || src.Commit == ""):
		return filepath.Join(from, filepath.FromSlash(src.Prefix), filepath.FromSlash(src.Dir)), opt, nil
	case from != "":
		top, err := source.Worktree(ctx, from)
		if err != nil {
			return "", opt, err
		}
		return "git+" + (&url.URL{Scheme: "file", Path: filepath.ToSlash(top)}).String() + "#" + src.Commit, opt, nil
	case src.Dirty || src.Commit == "":
		return "", opt, unclean(src)
	case src.Repository == "":
		return "", opt, fault.Hint(fmt.Errorf("the statement is about commit %s and names no repository that has it", src.Commit),
			"give a clone of it: --source DIR, or --source git+URL")
	case !config.IsRepository(src.Repository):
		return "", opt, &verdict.Incident{Of: theStatement, What: "the repository", By: "the statement", Why: fmt.Sprintf("%.200q is not the URL of one", src.Repository)}
	}
	return "git+" + src.Repository + "#" + src.Commit, opt, nil
}

func unclean(src provenance.Source) error {
	return fault.Hint(fmt.Errorf("the statement is about files that no commit holds (%s)", cmp.Or(src.Commit, "of no repository")),
		"give them: --source DIR; they count if they are what the statement says")
}

// Rebuild is the claim as the verify package takes it. open opens what was
// released.
func (c *Claim) Rebuild(version string, open func(context.Context, *verify.Runner) (*reference.Reference, error)) *verify.Rebuild {
	b := &verify.Rebuild{Stated: &verdict.Stated{Statement: digest.FromBytes(c.Bytes), By: c.By, Unchecked: c.Unchecked, Besides: c.Others}}
	b.Reference = func(ctx context.Context, r *verify.Runner) (*reference.Reference, error) {
		if err := c.records(); err != nil {
			return nil, err
		}
		ref, err := open(ctx, r)
		if err != nil {
			return nil, err
		}
		return ref, ref.Hold(c.artefacts(), c.files(), theStatement)
	}
	b.Expected = func(_ context.Context, prep *verify.Prepared) (*verdict.Incident, *verdict.Input, error) {
		return c.expected(prep, version)
	}
	b.Made = func(ctx context.Context, r *verify.Runner, engine verify.Builder, prep *verify.Prepared, made []artefact.Artefact) error {
		set, err := evidence.Documents(ctx, r, engine, prep, made)
		if err != nil {
			return err
		}
		ours, err := provenance.Parse(set.Statement.Data)
		if err != nil {
			return err
		}
		b.Stated.Other = differs(c.Statement, ours)
		b.Stated.Rebuilt = b.Stated.Other == ""
		return nil
	}
	return b
}

// records refuses a record that is about something else: they all say that they
// made this statement's artefacts.
func (c *Claim) records() error {
	want := digest.FromBytes(c.Bytes)
	for _, r := range c.Records {
		if r.Predicate.Statement != want {
			return &verdict.Incident{Of: theRecord, What: "the statement that the run record is about", By: theRecord, Claimed: r.Predicate.Statement, Found: want}
		}
	}
	return nil
}

func (c *Claim) artefacts() []reference.Ours {
	var out []reference.Ours
	for _, s := range c.Statement.Subject {
		out = append(out, reference.Ours{Name: s.Name, Digest: s.SHA256(), Image: isImage(s)})
	}
	return out
}

// isImage: of the subjects only images have a media type.
func isImage(r provenance.Resource) bool { return r.MediaType != "" }

// files are what goes with the artefacts.
func (c *Claim) files() []reference.Ours {
	var out []reference.Ours
	for _, r := range c.Statement.Predicate.RunDetails.Byproducts {
		if r.Content == nil {
			out = append(out, reference.Ours{Name: r.Name, Digest: r.SHA256()})
		}
	}
	return out
}

// errUnreadable is of what is no statement.
var errUnreadable = errors.New("it is neither a provenance statement of Twice nor a bundle with one")
