//go:build !ahead

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/rebuild"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/verify"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
)

// signStatement is what sign does.
type signStatement struct {
	sign   signFlags
	out    string
	attach string
	in     string
}

func newSign(g *global) *cobra.Command {
	var s signStatement
	cmd := &cobra.Command{
		Use:   "sign STATEMENT",
		Short: "sign an in-toto statement, such as a rebuild's record",
		Long: `Sign makes a Sigstore bundle of a statement: the very bytes, in an envelope, with
a signature. It is written to a file, attached to the image that the statement is
about, or both. Whoever may not write to the image's repository attaches it in one
of their own, with --in: twice consensus --records reads it there.`,
		Example: `  twice rebuild registry.example.org/team/tool@sha256:… --record record.json
  twice sign record.json --ssh-key ~/.ssh/id_ed25519 --attach registry.example.org/team/tool@sha256:…`,
		Args: cobra.ExactArgs(1),
	}
	s.sign.add(cmd)
	f := cmd.Flags()
	f.StringVarP(&s.out, "output", "o", "", "write the bundle to this file")
	f.StringVar(&s.attach, "attach", "", "attach the bundle to this image, IMAGE@sha256:…")
	f.StringVar(&s.in, "in", "", "attach it in this repository, not in the image's own")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), g, args[0]) }
	return cmd
}

func (s *signStatement) run(ctx context.Context, g *global, name string) error {
	switch {
	case s.sign.none:
		return fault.Hint(errors.New("--no-sign: there is nothing else that sign does"), "give --key FILE, --ssh-key FILE or --keyless")
	case s.out == "" && s.attach == "":
		return fault.Hint(errors.New("the bundle would go nowhere"), "give -o FILE, --attach IMAGE@sha256:…, or both")
	case s.in != "" && s.attach == "":
		return fault.Hint(errors.New("--in without --attach: which image is it about?"), "give --attach IMAGE@sha256:…")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	signer, err := s.sign.signer(ctx)
	if err != nil {
		return err
	}
	bundle, err := signer.Sign(ctx, text)
	if err != nil {
		return fmt.Errorf("signing %s: %w", name, err)
	}
	signed, err := trust.Read(bundle)
	if err != nil {
		return fmt.Errorf("signing %s: %w", name, err)
	}
	if s.out != "" {
		if err := verify.WriteFile(s.out, false, func(w io.Writer) error { _, err := w.Write(bundle); return err }); err != nil {
			return err
		}
	}
	where := s.out
	if s.attach != "" {
		if where, err = s.push(ctx, signed, bundle); err != nil {
			return err
		}
	}
	if !g.quiet {
		_, err = fmt.Printf("signed   by %s\nbundle   %s\n", signer, where)
	}
	return err
}

// push attaches the bundle and returns where it is.
func (s *signStatement) push(ctx context.Context, signed *trust.Signed, bundle []byte) (string, error) {
	opt := registry.Options{Docker: true}
	repo, d, err := rebuild.ParseReference(ctx, s.attach, opt)
	if err != nil {
		return "", err
	}
	defer repo.Close()
	if !signed.About(d) {
		return "", fault.Hint(fmt.Errorf("the statement isn't about %s", s.attach), "attach it to the image whose digest is among its subjects")
	}
	subject, err := manifest(ctx, repo, d)
	if err != nil {
		return "", err
	}
	to := repo
	if s.in != "" {
		if to, err = registry.OpenName(s.in, opt); err != nil {
			return "", err
		}
		defer to.Close()
	}
	desc, err := referrer.Push(ctx, to, subject, referrer.OfBundle(bundle, signed.Predicate))
	if err != nil {
		return "", err
	}
	return to.String() + "@" + desc.Digest.String(), nil
}

// manifest is the descriptor of an image in a repository.
func manifest(ctx context.Context, repo *registry.Repository, d digest.Digest) (ocispec.Descriptor, error) {
	// The digest that it was asked by is checked by the client.
	got, err := remote.Get(repo.Name.Digest(d.String()), repo.Remote(ctx)...)
	if err != nil {
		return ocispec.Descriptor{}, repo.Explain("reading "+repo.String(), err)
	}
	return ocispec.Descriptor{MediaType: string(got.MediaType), Digest: d, Size: got.Size}, nil
}
