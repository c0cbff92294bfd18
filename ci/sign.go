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
	root                      *dagger.File
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
	in := sign.Instance{Fulcio: cmp.Or(s.fulcio, address.Fulcio), Rekor: cmp.Or(s.rekor, address.Rekor), TrustedRoot: vouch.SigstoreRoot}
	if s.root != nil {
		root, err := s.root.Contents(ctx)
		if err != nil {
			return nil, fmt.Errorf("taking the trusted root: %w", err)
		}
		in.TrustedRoot = []byte(root)
	}
	return sign.Keyless(in, strings.TrimSpace(token))
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
