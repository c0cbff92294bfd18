package vouch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/base"
	"github.com/craton-co/twice/internal/fault"
)

// signature is one that was found, of whatever form.
type signature interface {
	certified() bool // made with a certificate, not a key
	byKey(k Key, d digest.Digest) error
	byCertificate(c *Instance, ids []Identity, d digest.Digest) (Identity, error)
}

// broken is a signature that can't be read.
type broken struct {
	signature // nil
	err       error
}

// Image finds out who signed for a base image, NAME@sha256:…. An error that is
// neither ErrUnsigned nor ErrUnchecked is a reason not to use the image.
func Image(ctx context.Context, r *address.Resolver, ref string, opt Options) (Signer, error) {
	m, err := base.Open(r, ref, opt.Registry)
	if err != nil {
		return Signer{}, err
	}
	p, err := newPolicy(m.Name(), opt)
	if err != nil {
		return Signer{}, err
	}
	found, err := signatures(ctx, m)
	if err != nil {
		return Signer{}, fmt.Errorf("looking for signatures of %s: %w", m, err)
	}
	signer, err := p.judge(found, m.Digest())
	if err != nil && !errors.Is(err, ErrUnsigned) && !errors.Is(err, ErrUnchecked) {
		err = fault.Hint(fmt.Errorf("image %s: %w", m, err),
			"don't use it before its publisher has explained this; if who signs has changed, say who it is now, and with a new Sigstore instance or key update twice")
	}
	return signer, err
}

// policy is whom to trust.
type policy struct {
	keys     []Key
	ids      []Identity
	instance *Instance // nil: certificates can't be checked
}

func newPolicy(name string, opt Options) (p policy, err error) {
	for _, pem := range opt.PublicKeys {
		k, err := ParseKey(pem)
		if err != nil {
			return p, err
		}
		p.keys = append(p.keys, k)
	}
	p.ids = opt.Identities
	if len(p.ids) == 0 && len(p.keys) == 0 {
		p.ids = publisher(name)
	}
	if len(opt.TrustedRoot) > 0 {
		p.instance, err = NewInstance(opt.TrustedRoot)
	}
	return p, err
}

// expects tells whether it is known who should sign.
func (p policy) expects() bool { return len(p.keys)+len(p.ids) > 0 }

func (p policy) who() string {
	var all []string
	for _, k := range p.keys {
		all = append(all, "key SHA256:"+k.Hash)
	}
	for _, id := range p.ids {
		all = append(all, id.String())
	}
	return strings.Join(all, " or ")
}

// judge makes one result of all signatures.
func (p policy) judge(found []signature, d digest.Digest) (Signer, error) {
	if len(found) == 0 {
		if p.expects() {
			return Signer{}, fmt.Errorf("%w, though %s signs", ErrUnsigned, p.who())
		}
		return Signer{}, ErrUnsigned
	}
	var bad []error
	var unchecked []string
	for _, s := range found {
		signer, why, err := p.check(s, d)
		switch {
		case err != nil:
			bad = append(bad, err)
		case why != "":
			unchecked = append(unchecked, why)
		case signer != (Signer{}):
			return signer, nil
		}
	}
	switch {
	case len(bad) > 0:
		text := bad[0].Error()
		if len(bad) > 1 {
			text += fmt.Sprintf(" (and %d more)", len(bad)-1)
		}
		return Signer{}, fmt.Errorf("its signature is bad: %s", text)
	case len(unchecked) > 0:
		slices.Sort(unchecked)
		return Signer{}, fmt.Errorf("%w: %s", ErrUnchecked, strings.Join(slices.Compact(unchecked), "; "))
	}
	return Signer{}, fmt.Errorf("it is signed, but not by %s", p.who())
}

// check checks one signature. It returns the signer, or why it can't be
// checked, or none of both where it is not by those who are expected.
func (p policy) check(s signature, d digest.Digest) (Signer, string, error) {
	if b, ok := s.(broken); ok {
		return Signer{}, "", b.err
	}
	switch {
	case s.certified() && len(p.keys) > 0 && len(p.ids) == 0:
		return Signer{}, "", nil
	case s.certified() && p.instance == nil:
		return Signer{}, "no trusted root", nil
	case s.certified():
		id, err := s.byCertificate(p.instance, p.ids, d)
		return Signer{Subject: id.Subject, Issuer: id.Issuer, Expected: p.expects()}, "", err
	case len(p.keys) == 0 && len(p.ids) > 0:
		return Signer{}, "", nil
	case len(p.keys) == 0:
		return Signer{}, "it is made with a key, and none is given", nil
	}
	var err error
	for _, k := range p.keys {
		if err = s.byKey(k, d); err == nil {
			return Signer{Key: k.Hash, Expected: true}, "", nil
		}
	}
	return Signer{}, "", err
}
