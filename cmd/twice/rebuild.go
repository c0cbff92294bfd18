//go:build !ahead

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/rebuild"
	"github.com/craton-co/twice/internal/reference"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
)

// rebuildFlags are rebuild's own.
type rebuildFlags struct {
	verifyFlags
	statement string
	from      string
	record    string
	where     string
	trust     trustFlags
}

func newRebuild(g *global) *cobra.Command {
	var flags rebuildFlags
	cmd := &cobra.Command{
		Use:   "rebuild IMAGE@sha256:… | FILE --statement STATEMENT",
		Short: "build again what was released, from its digest alone, and compare",
		Long: `Rebuild takes the provenance statement that is attached to an image, or that is
given, fetches the source and every input that it names by hash, builds twice,
and compares with the image, or with FILE: a binary, an archive, an OCI layout, a
SHA256SUMS, a directory of such.

Settings and lock are the statement's, whatever the sources have. The source is
the published crate, or the commit from the repository that the statement names;
--source gives a clone that has the commit, or git+URL.

Inputs come from wherever they are had by hash. --bundle gives them all, from a
file, a registry (oci://…), or what is attached to the image (attached): no other
network is needed.

Who signed is checked if it is said who may: a public key, a file of allowed SSH
signers, or an identity. Otherwise the verdict says that nobody looked.

  0  the rebuild is the same, bit for bit         REPRODUCIBLE
  1  it is not                                    MISMATCH
  2  no verdict was reached                       NO VERDICT
  3  something isn't what is claimed of it: the
     file or the image, the statement, its
     signature, the run record, an SBOM, an
     input                                        INCIDENT (nothing is compared)
  4  it has the same content, packed by another
     compressor                                   SAME CONTENT
  5  the sources that were given are others, or
     this version of Twice makes another plan
     of them                                      OTHER INPUTS (nothing is built)`,
		Example: `  twice rebuild registry.example.org/team/tool@sha256:…
  twice rebuild registry.example.org/team/tool@sha256:… --record record.json
  twice rebuild ./tool --statement tool-provenance-v1.2.3.json`,
		Args: cobra.ExactArgs(1),
	}
	flags.eng.add(cmd)
	flags.report.add(cmd)
	flags.trust.add(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.statement, "statement", "", "the provenance statement, bare or signed: a file, or the digest of one that is attached")
	f.StringVar(&flags.from, "source", "", "take the commit from here: a clone, or git+URL; default: the statement's repository")
	f.StringVar(&flags.record, "record", "", "write what came of it as a run record into this file; twice sign signs it")
	f.StringVar(&flags.where, "where", "", "where this runs, for the run record: \"build farm 2\"; default: nothing is said")
	f.StringVar(&flags.vary, "vary", "all", "what the second build changes: all, none, or names with commas")
	f.IntVarP(&flags.jobs, "jobs", "j", 0, "cargo's jobs in the first build; default: one for each processor")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return flags.rebuild(cmd, g, args[0]) }
	return cmd
}

func (v *rebuildFlags) rebuild(cmd *cobra.Command, g *global, what string) error {
	ctx := cmd.Context()
	if err := v.report.check(); err != nil {
		return err
	}
	axes, err := plan.ParseAxes(v.vary)
	if err != nil {
		return err
	}
	opt := verify.Options{Vary: axes, Jobs: v.jobs, Engine: v.eng.names(), Version: fullVersion(), Explain: verify.Quick, Against: what, Spec: what}
	claim, open, err := v.claim(ctx, g, what)
	if err == nil {
		var source string
		if source, opt.Resolve, err = claim.Source(ctx, v.from); err == nil {
			opt.Spec = source
		}
	}
	if bad := new(verdict.Incident); errors.As(err, &bad) {
		return v.give(cmd, g, opt.Incident(bad), nil)
	} else if err != nil {
		return err
	}
	opt.Resolve.Offline = g.offline
	opt.Rebuild = claim.Rebuild(fullVersion(), open)
	if v.record != "" {
		v.keep = func(reached *verdict.Verdict) error { return writeRecord(v.record, v.where, claim, reached) }
	}
	return v.run(cmd, g, opt)
}

// writeRecord writes what came of a rebuild, for whoever did it to sign. Where
// nothing was compared and nothing is amiss there is nothing to record.
func writeRecord(name, where string, claim *rebuild.Claim, reached *verdict.Verdict) error {
	switch reached.Word {
	case verdict.NoVerdict, verdict.OtherInputs:
		return nil
	}
	text, err := provenance.NewRecord(claim.Bytes, made(claim.Statement, reached), evidence.Run(reached, where)).JSON()
	if err != nil {
		return err
	}
	return verify.WriteFile(name, false, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// made is what of a statement a record speaks of. Who says that something is as stated
// speaks of what came out of both builds, bit for bit, and of nothing else that the statement
// says; who says that it is not, of all of it.
func made(s *provenance.Statement, reached *verdict.Verdict) *provenance.Statement {
	if reached.Word != verdict.Reproducible {
		return s
	}
	only := *s
	only.Subject = slices.DeleteFunc(slices.Clone(s.Subject), func(r provenance.Resource) bool {
		return !slices.ContainsFunc(reached.Artefacts, func(a verdict.Artefact) bool { return a.Same && a.A == r.SHA256() })
	})
	return &only
}

// opener opens what a rebuild is compared with.
type opener = func(context.Context, *verify.Runner) (*reference.Reference, error)

// claim is what is to be built again, and how it is opened.
func (v *rebuildFlags) claim(ctx context.Context, g *global, what string) (*rebuild.Claim, opener, error) {
	policy, err := v.trust.policy()
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(what); err == nil || !strings.ContainsAny(what, ":@") {
		if v.statement == "" {
			return nil, nil, fault.Hint(errors.New("what is "+what+" claimed to be?"), "name its provenance statement: --statement FILE")
		}
		claim, err := readClaim(v.statement, policy)
		return claim, func(ctx context.Context, _ *verify.Runner) (*reference.Reference, error) {
			return reference.Open(ctx, what)
		}, err
	}
	repo, d, err := rebuild.ParseReference(ctx, what, registry.Options{Docker: true})
	if err != nil {
		return nil, nil, err
	}
	attached := g.bundle == "attached"
	if attached {
		g.bundle = ""
	}
	open := func(ctx context.Context, r *verify.Runner) (*reference.Reference, error) {
		if attached {
			r.Progress.Start("bundle")
			if err := inputs.ReadAttached(ctx, r.Tools, repo, d); err != nil {
				return nil, fmt.Errorf("reading the attached bundle: %w", err)
			}
		}
		return rebuild.Image(ctx, repo, r.Tools.Store, d, func(ctx context.Context, desc ocispec.Descriptor) (string, error) { return r.Layout(ctx, desc) })
	}
	only := digest.Digest(v.statement)
	if v.statement != "" && only.Validate() != nil {
		claim, err := readClaim(v.statement, policy)
		return claim, open, err
	}
	claim, err := rebuild.Find(ctx, repo, d, policy, only)
	return claim, open, err
}

// maxStatement bounds a statement's file.
const maxStatement = 64 << 20

// readClaim reads a statement, or a bundle with one.
func readClaim(name string, policy trust.Policy) (*rebuild.Claim, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStatement+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxStatement {
		return nil, fmt.Errorf("reading %s: it is longer than %d bytes", name, maxStatement)
	}
	claim, err := rebuild.Read(data, policy)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return claim, nil
}
