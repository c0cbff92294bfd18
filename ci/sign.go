package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/sign"
	"github.com/craton-co/twice/internal/vouch"
)

// signing is what a call says of who signs.
type signing struct {
	key, password, ssh, token *dagger.Secret
	none                      bool
	fulcio, rekor             string
	config, root              *dagger.File
}

// signer is who signs; nil: nobody. A key is in no file.
func (s signing) signer(ctx context.Context) (sign.Signer, error) {
	n := 0
	for _, given := range []bool{s.key != nil, s.ssh != nil, s.token != nil, s.none} {
		if given {
			n++
		}
	}
	if n != 1 {
		return nil, fault.Hint(errors.New("it has to be said who signs, once"), "give --key, --ssh-key or --identity-token; or say that nobody should: --no-sign")
	}
	switch {
	case s.none:
		return nil, nil
	case s.key != nil:
		text, err := plain(ctx, "the key", s.key)
		if err != nil {
			return nil, err
		}
		password, err := plain(ctx, "the key's password", s.password)
		if err != nil {
			return nil, err
		}
		return sign.Key([]byte(text), password)
	case s.ssh != nil:
		text, err := plain(ctx, "the SSH key", s.ssh)
		if err != nil {
			return nil, err
		}
		return sign.SSHKey([]byte(text))
	}
	token, err := plain(ctx, "the identity token", s.token)
	if err != nil {
		return nil, err
	}
	in, err := s.instance(ctx)
	if err != nil {
		return nil, err
	}
	return sign.Keyless(in, strings.TrimSpace(token))
}

// instance is the Sigstore instance of a token's signature: the public one, if
// nothing else is said.
func (s signing) instance(ctx context.Context) (in sign.Instance, err error) {
	root := vouch.SigstoreRoot
	if s.root != nil {
		if root, err = contents(ctx, "the trusted root", s.root); err != nil {
			return in, err
		}
	}
	if s.config == nil {
		return sign.Instance{Fulcio: cmp.Or(s.fulcio, address.Fulcio), Rekor: cmp.Or(s.rekor, address.Rekor), TrustedRoot: root}, nil
	}
	text, err := contents(ctx, "the signing config", s.config)
	if err != nil {
		return in, err
	}
	return sign.ParseInstance(text, root)
}

// plain is a secret's text; that of none is empty.
func plain(ctx context.Context, what string, s *dagger.Secret) (string, error) {
	if s == nil {
		return "", nil
	}
	text, err := s.Plaintext(ctx)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", what, err)
	}
	return text, nil
}
