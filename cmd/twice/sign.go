//go:build !ahead

package main

import (
	"context"
	"errors"
	"os"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/sign"
	"github.com/craton-co/twice/internal/vouch"
	"github.com/spf13/cobra"
)

// signFlags say who signs.
type signFlags struct {
	key, sshKey   string
	keyless, none bool
	fulcio, rekor string
	root, config  configFile
}

func (s *signFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.key, "key", "", "sign with the key in this file (PEM, or cosign's; COSIGN_PASSWORD opens it), or with NAME://… of the program sigstore-kms-NAME")
	f.StringVar(&s.sshKey, "ssh-key", "", "sign with this SSH key: a private key's file, or the .pub of one that the agent has")
	f.BoolVar(&s.keyless, "keyless", false, "sign as whom an identity token names: SIGSTORE_ID_TOKEN, or a GitHub job's; that is the default where there is one")
	f.BoolVar(&s.none, "no-sign", false, "sign nothing")
	f.StringVar(&s.fulcio, "fulcio", address.Fulcio, "the certificate authority of --keyless")
	f.StringVar(&s.rekor, "rekor", address.Rekor, "the transparency log of --keyless")
	f.Var(&s.config, "signing-config", "the signing_config.json of a Sigstore instance, in the place of --fulcio and --rekor")
	f.Var(&s.root, "trusted-root", "the trusted_root.json of another Sigstore instance than the public one")
	cmd.MarkFlagsMutuallyExclusive("key", "ssh-key", "keyless", "no-sign")
}

// signer is who signs; nil: nobody.
func (s *signFlags) signer(ctx context.Context) (sign.Signer, error) {
	switch {
	case s.none:
		return nil, nil
	case s.key != "":
		return sign.OpenKey(ctx, s.key, os.Getenv("COSIGN_PASSWORD"))
	case s.sshKey != "":
		return sign.OpenSSH(s.sshKey, os.Getenv("SSH_AUTH_SOCK"))
	case !s.keyless && !sign.HasToken(os.Getenv):
		return nil, fault.Hint(errors.New("nobody signs"), "give --key FILE, --ssh-key FILE or --keyless; or say that nobody should: --no-sign")
	}
	token, err := sign.Token(ctx, os.Getenv)
	if err != nil {
		return nil, err
	}
	in := sign.Instance{Fulcio: s.fulcio, Rekor: s.rekor, TrustedRoot: s.root.data}
	if s.config.data != nil {
		if in, err = sign.ParseInstance(s.config.data, s.root.data); err != nil {
			return nil, err
		}
	}
	if in.TrustedRoot == nil {
		in.TrustedRoot = vouch.SigstoreRoot
	}
	return sign.Keyless(in, token)
}
