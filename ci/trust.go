package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/vouch"
)

// trusted is what a call says of whose signatures count.
type trusted struct {
	key, signers, root *dagger.File
	identity, issuer   string
}

// policy is empty if nothing says whose signatures count.
func (t trusted) policy(ctx context.Context) (p trust.Policy, err error) {
	if t.key != nil {
		text, err := contents(ctx, "the public key", t.key)
		if err != nil {
			return p, err
		}
		k, err := vouch.ParseKey(text)
		if err != nil {
			return p, fmt.Errorf("the public key: %w", err)
		}
		p.Keys = append(p.Keys, k)
	}
	if t.signers != nil {
		text, err := contents(ctx, "the allowed signers", t.signers)
		if err != nil {
			return p, err
		}
		if p.SSH, err = trust.ParseAllowedSigners(text); err != nil {
			return p, fmt.Errorf("the allowed signers: %w", err)
		}
		if len(p.SSH) == 0 {
			return p, fault.Hint(errors.New("the file of allowed signers allows nobody to sign"), "a line is: NAME ssh-ed25519 KEY")
		}
	}
	if (t.identity == "") != (t.issuer == "") {
		return p, fault.Hint(errors.New("an identity is one of an issuer's"), "give both, such as --identity alice@example.org --issuer https://accounts.example.org")
	}
	if t.identity == "" {
		return p, nil
	}
	root := vouch.SigstoreRoot
	if t.root != nil {
		if root, err = contents(ctx, "the trusted root", t.root); err != nil {
			return p, err
		}
	}
	p.Instance, err = vouch.NewInstance(root)
	p.Identities = append(p.Identities, vouch.Identity{Subject: t.identity, Issuer: t.issuer})
	return p, err
}

func contents(ctx context.Context, what string, f *dagger.File) ([]byte, error) {
	text, err := f.Contents(ctx)
	if err != nil {
		return nil, fmt.Errorf("taking %s: %w", what, err)
	}
	return []byte(text), nil
}
