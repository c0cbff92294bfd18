//go:build !ahead

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/vouch"
	"github.com/spf13/cobra"
)

// trustFlags say whose signatures count.
type trustFlags struct {
	keys               []string
	signers            configFile
	identities, issuer []string
	root               configFile
}

func (t *trustFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&t.keys, "key", nil, "trust who has the key to this public one, in PEM")
	f.Var(&t.signers, "allowed-signers", "trust the SSH keys in this file, as ssh-keygen(1) describes it")
	f.StringSliceVar(&t.identities, "identity", nil, "trust this identity, as its certificate names it; --issuer says whose")
	f.StringSliceVar(&t.issuer, "issuer", nil, "the OpenID Connect issuer of each --identity")
	f.Var(&t.root, "trusted-root", "the trusted_root.json of another Sigstore instance than the public one")
}

// policy is empty if nothing says whose signatures count.
func (t *trustFlags) policy() (trust.Policy, error) {
	var p trust.Policy
	for _, name := range t.keys {
		text, err := os.ReadFile(name)
		if err != nil {
			return p, err
		}
		k, err := vouch.ParseKey(text)
		if err != nil {
			return p, fmt.Errorf("%s: %w", name, err)
		}
		p.Keys = append(p.Keys, k)
	}
	var err error
	if t.signers.data != nil {
		if p.SSH, err = trust.ParseAllowedSigners(t.signers.data); err != nil {
			return p, fmt.Errorf("%s: %w", t.signers.name, err)
		}
		if len(p.SSH) == 0 {
			return p, fault.Hint(fmt.Errorf("%s allows nobody to sign", t.signers.name), "a line is: NAME ssh-ed25519 KEY")
		}
	}
	if len(t.identities) != len(t.issuer) {
		return p, fault.Hint(errors.New("each --identity is one of an --issuer's"), "give both, such as --identity alice@example.org --issuer https://accounts.example.org")
	}
	if len(t.identities) == 0 {
		return p, nil
	}
	if p.Instance, err = t.instance(); err != nil {
		return p, err
	}
	for i, id := range t.identities {
		p.Identities = append(p.Identities, vouch.Identity{Subject: id, Issuer: t.issuer[i]})
	}
	return p, nil
}

// instance is the Sigstore instance whose certificates count.
func (t *trustFlags) instance() (*vouch.Instance, error) {
	root := t.root.data
	if root == nil {
		root = vouch.SigstoreRoot
	}
	return vouch.NewInstance(root)
}
