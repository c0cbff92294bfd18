package reference

import (
	"context"
	"fmt"

	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/verdict"
)

// Ours is an artefact of the build.
type Ours struct {
	Name   string
	Digest digest.Digest
	Image  bool
	// Open gives the file, or the layout of an image; nil if only the digest is known.
	Open func(ctx context.Context) (path string, err error)
}

// Compare compares the artefacts that both have, and looks into those whose
// digests differ if both can be had.
func (r *Reference) Compare(ctx context.Context, ours []Ours, known cause.Context) (*verdict.Reference, error) {
	out := &verdict.Reference{Path: r.Path, Kind: r.Kind}
	for _, it := range r.Items {
		o, ok := r.match(it, ours)
		switch {
		case ok:
		case r.Kind == Verdict || it.held:
			out.Missing = append(out.Missing, it.Name)
			continue
		default:
			out.Ignored = append(out.Ignored, it.Name)
			continue
		}
		c := verdict.Compared{Name: o.Name, Ours: o.Digest, Theirs: it.Digest, Same: o.Digest == it.Digest}
		if !c.Same {
			if err := r.look(ctx, &c, it, o, known); err != nil {
				return nil, fmt.Errorf("comparing %s with the reference: %w", o.Name, err)
			}
		}
		out.Artefacts = append(out.Artefacts, c)
	}
	if len(out.Artefacts) == 0 && len(out.Missing) == 0 {
		var names []string
		for _, o := range ours {
			names = append(names, o.Name)
		}
		return nil, fault.Hintf(fmt.Errorf("nothing in the reference %s is an artefact of this build", r.Path), "the build's artefacts are %s", list(names))
	}
	return out, nil
}

// list names a few of many.
func list(names []string) string {
	s := ""
	for i, n := range names {
		if i == 8 {
			return fmt.Sprintf("%s and %d more", s, len(names)-i)
		}
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}

// look compares contents.
func (r *Reference) look(ctx context.Context, c *verdict.Compared, it Item, o Ours, known cause.Context) error {
	if it.Path == "" && it.Open == nil || o.Open == nil {
		return nil
	}
	if it.Path == "" {
		var err error
		if it.Path, err = it.Open(ctx); err != nil {
			return err
		}
	}
	path, err := o.Open(ctx)
	if err != nil {
		return err
	}
	if c.Theirs == "" { // an image without one manifest
		if c.Theirs, err = hash(ctx, it.Path); err != nil {
			return err
		}
	}
	f, err := compare.Paths(ctx, o.Name, path, it.Path, compare.Limits{})
	if err != nil {
		return err
	}
	if f == nil {
		return nil
	}
	if f.SameContent() {
		c.SameContent = true
		c.OursPacked, c.TheirsPacked, err = packed(ctx, path, it.Path, f)
		return err
	}
	c.Difference, c.Causes = f.First(), cause.Explain(f, known)
	return nil
}
