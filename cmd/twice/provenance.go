//go:build !ahead

package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/trust"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
)

func newProvenance(g *global) *cobra.Command {
	var (
		statement string
		who       trustFlags
	)
	cmd := &cobra.Command{
		Use:   "provenance FILE",
		Short: "read what a program says that it was made from",
		Long: `Provenance finds in a file of any format (ELF, PE, Mach-O, an archive that isn't
compressed) what a build with "provenance = true" in twice.toml put there: commit,
epoch, rustc, target, profile, opt-level and features, as JSON. It is what the
program says of itself; docs/provenance.md shows how to have it say so.

With --statement that is compared with a provenance statement, and the file's
digest too. The exit status is 1 if either is another.`,
		Example: `  twice provenance ./tool
  twice provenance ./tool --statement tool-provenance-v1.2.3.json`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&statement, "statement", "", "compare with this statement, bare or signed")
	who.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, d, err := readEmbedded(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text); err != nil || statement == "" {
			return err
		}
		policy, err := who.policy()
		if err != nil {
			return err
		}
		return compareEmbedded(cmd.ErrOrStderr(), statement, policy, args[0], e, d)
	}
	return cmd
}

// readEmbedded reads a file once: what is in it, and its digest.
func readEmbedded(ctx context.Context, name string) (*provenance.Embedded, digest.Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	h := sha256.New()
	e, err := provenance.FindEmbedded(ctx, io.TeeReader(f, h))
	switch {
	case errors.Is(err, provenance.ErrNotEmbedded):
		return nil, "", fault.Hint(fmt.Errorf("%s: %w", name, err), "docs/provenance.md shows how a program is made to say what it is; of its archive, unpack it first")
	case err != nil:
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return e, digest.NewDigest(digest.SHA256, h), nil
}

// compareEmbedded says whether a statement is about that file, and says the same.
func compareEmbedded(w io.Writer, statement string, policy trust.Policy, name string, e *provenance.Embedded, d digest.Digest) error {
	claim, err := readClaim(statement, policy)
	if err != nil {
		return err
	}
	same := true
	say := func(what, text string, ok bool) {
		same = same && ok
		fmt.Fprintf(w, "%-11s%s\n", what, text)
	}
	theirs := claim.Statement.Embedded(e.Name)
	switch a, errA := e.JSON(); {
	case errA != nil:
		return errA
	case theirs == nil:
		say("statement", "has no provenance to embed for build "+e.Name, false)
	default:
		b, err := theirs.JSON()
		if err != nil {
			return err
		}
		if a == b {
			say("statement", "says the same", true)
		} else {
			say("statement", "says otherwise: "+b, false)
		}
	}
	subject := ""
	for _, s := range claim.Statement.Subject {
		if s.SHA256() == d {
			subject = s.Name
		}
	}
	if subject != "" {
		say("digest", "is that of "+subject, true)
	} else {
		say("digest", string(d)+" is of none of its artefacts", false)
	}
	by := claim.Unchecked
	if len(claim.By) > 0 {
		by = strings.Join(claim.By, ", ")
	} else {
		by = "not checked: " + by
	}
	fmt.Fprintf(w, "%-11s%s\n", "signed by", by)
	if !same {
		return exitError(1)
	}
	return nil
}
