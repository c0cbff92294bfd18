//go:build !ahead

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/publish"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

// publishFlags are those of publish alone.
type publishFlags struct {
	verify       verifyFlags
	sign         signFlags
	from         string
	image        string
	allowProfile bool
	moveTag      bool
	where        string
}

func newPublish(g *global) *cobra.Command {
	var p publishFlags
	cmd := &cobra.Command{
		Use:   "publish ADDRESS [SOURCE]",
		Short: "build twice and, if the builds agree, push the image with its evidence",
		Long: `Publish verifies as twice verify does. If the builds agree it pushes the image,
or the index of several, to ADDRESS (registry/name:tag), and attaches to it, as OCI
referrers: the SBOM, the provenance statement, bare and signed, a signed record
of the run, a signed verification summary (SLSA's VSA), a signature of the image,
and the verdict. The tag is written last: a push that is cut off leaves no tag
that points at something that isn't whole, and the next one sends what is
missing.

Somebody has to sign, or --no-sign says that nobody does. With --keyless, which
is the default where there is an identity token, the identity is published in a
log that everybody can read.

The login is Docker's: config.json and its credential helpers. A registry on this
machine is spoken to in plain HTTP.

Of a project with several images each is pushed, with -NAME after the tag, or the
one that --image names. The exit status is verify's; nothing is pushed unless it
is 0.`,
		Example: `  twice publish registry.example.org/team/tool:1.2.3 --key twice.key
  twice publish registry.example.org/team/tool:1.2.3 --ssh-key ~/.ssh/id_ed25519 --from out`,
		Args: cobra.RangeArgs(1, 2),
	}
	p.verify.src.add(cmd)
	p.verify.eng.add(cmd)
	p.sign.add(cmd)
	f := cmd.Flags()
	f.StringVar(&p.verify.vary, "vary", "all", "what the second build changes: all, none, or names with commas")
	f.BoolVar(&p.verify.fresh, "fresh", false, "build even if the verdict is known")
	f.IntVarP(&p.verify.jobs, "jobs", "j", 0, "cargo's jobs in the first build; default: one for each processor")
	f.StringVar(&p.from, "from", "", "publish what `twice verify -o DIR` wrote into this directory, and build nothing")
	f.StringVar(&p.image, "image", "", "which image, of a project with several")
	f.BoolVar(&p.allowProfile, "allow-profile", false, "publish what a profile's inputs made, which are not the project's own")
	f.BoolVar(&p.moveTag, "move-tag", false, "let the tag point at this image even if it is another's")
	f.StringVar(&p.where, "where", "", "where this runs, for the run record: \"build farm 2\"; default: nothing is said")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return p.run(cmd, g, args) }
	return cmd
}

func (p *publishFlags) run(cmd *cobra.Command, g *global, args []string) error {
	ctx := cmd.Context()
	to, err := publish.ParseAddress(args[0])
	if err != nil {
		return err
	}
	if p.from != "" && len(args) > 1 {
		return fault.Hint(errors.New("--from and a source: what is published has one origin"), "give one of them")
	}
	how := publish.How{MoveTag: p.moveTag}
	if how.Signer, err = p.sign.signer(ctx); err != nil {
		return err
	}
	opt := publish.Options{Docker: true}
	if err := publish.Check(ctx, to, opt); err != nil { // before the builds, not after
		return err
	}
	progress, err := g.newProgress()
	if err != nil {
		return err
	}
	how.Step = func(text string) { progress.message("%s", text) }
	st, err := openStore(cmd.Context())
	if err != nil {
		return err
	}
	e := publish.Evidence{}
	if p.from != "" {
		if e, err = publish.Folder(ctx, st, p.from); err == nil {
			err = publish.AllowFolder(e.Verdict, p.allowProfile)
		}
	} else {
		e, err = p.made(ctx, g, st, args[1:])
	}
	if err != nil {
		return err
	}
	if e.Verdict.Word != verdict.Reproducible {
		if err := printVerdict(os.Stdout, g, e.Verdict); err != nil {
			return err
		}
		return exitError(e.Verdict.ExitCode())
	}
	e.Where = p.where
	pushes, err := publish.Pushes(e.Verdict, to, p.image)
	if err != nil {
		return err
	}
	done, err := publish.Complete(ctx, st, pushes, e, how, opt)
	if err != nil {
		return err
	}
	return printPublished(os.Stdout, g, e.Verdict, done)
}

// made verifies and writes the evidence. Of a verdict that is not REPRODUCIBLE
// there is none.
func (p *publishFlags) made(ctx context.Context, g *global, st *store.Store, args []string) (publish.Evidence, error) {
	opt, err := p.verify.options(g, args, verify.Never)
	if err != nil {
		return publish.Evidence{}, err
	}
	opt.Clean = true
	return withRunner(ctx, g, &p.verify.eng, p.verify.eng.sides(), func(r *verify.Runner) (publish.Evidence, error) {
		var e publish.Evidence
		if err := p.allowed(ctx, r, opt); err != nil {
			return e, err
		}
		if e.Verdict, err = r.Verify(ctx, opt); err != nil {
			return e, err
		}
		if e.Verdict.FromCache != nil && e.Verdict.Word == verdict.Reproducible && !kept(ctx, st, e.Verdict) {
			opt.Fresh = true
			if e.Verdict, err = r.Verify(ctx, opt); err != nil {
				return e, err
			}
		}
		if e.Verdict.Word != verdict.Reproducible {
			return e, nil
		}
		again := *r
		again.Progress = unheard{}
		prep, err := again.Prepare(ctx, opt)
		if err != nil {
			return e, err
		}
		defer prep.Project.Close()
		made, err := prep.Made(e.Verdict)
		if err != nil {
			return e, err
		}
		engine, err := r.Engine(ctx)
		if err != nil {
			return e, err
		}
		e.Set, err = evidence.Documents(ctx, &again, engine, prep, made)
		return e, err
	})
}

func (p *publishFlags) allowed(ctx context.Context, r *verify.Runner, opt verify.Options) error {
	project, err := resolve.Open(ctx, r.Tools, opt.Spec, opt.Resolve)
	if err != nil {
		return err
	}
	defer project.Close()
	return publish.Allow(project, p.image, p.allowProfile)
}

// kept tells whether the store still has the images of a verdict that was
// reached before.
func kept(ctx context.Context, st *store.Store, v *verdict.Verdict) bool {
	for _, a := range v.Artefacts {
		if !a.Kind.IsImage() {
			continue
		}
		if !st.Has(a.A) {
			return false
		}
		if a.Kind == verdict.Index {
			continue
		}
		size, err := st.Size(a.A)
		if err != nil {
			return false
		}
		d := verify.ImageDescriptor(a)
		d.Size = size
		im, err := image.Load(ctx, st, d)
		if err != nil {
			return false
		}
		for _, l := range im.Manifest.Layers {
			if !st.Has(l.Digest) {
				return false
			}
		}
	}
	return true
}

// unheard is a progress that nobody hears of.
type unheard struct{}

func (unheard) Start(string)                       {}
func (unheard) Done(string, string, time.Duration) {}

// whats are what the referrers are called on the screen.
var whats = map[string]string{
	referrer.SBOM: "sbom", referrer.Statement: "statement", referrer.Verdict: "verdict",
	provenance.SLSA: "statement, signed", provenance.RecordType: "run record, signed", provenance.SummaryType: "summary (VSA), signed",
	publish.ImageSignature: "image, signed",
}

func printPublished(w io.Writer, g *global, v *verdict.Verdict, p *publish.Published) error {
	if g.json {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Verdict verdict.Word `json:"verdict"`
			*publish.Published
		}{v.Word, p})
	}
	for _, im := range p.Images {
		for _, a := range im.Referrers {
			what := whats[a.Type]
			if a.Predicate != "" {
				what = whats[a.Predicate]
			}
			fmt.Fprintf(w, "  %-22s  %s  %s\n", what, a.Digest.Encoded()[:12], state(a.Sent, "attached"))
		}
		fmt.Fprintf(w, "image    %s  %s\n", im.Name, state(im.Sent, "pushed"))
		fmt.Fprintf(w, "tag      %s  %s\n", im.Tag, state(im.Tagged, "written"))
	}
	who := p.Signer
	if who == "" {
		who = "nobody"
	}
	fmt.Fprintf(w, "signed   by %s\n", who)
	for _, im := range p.Images {
		fmt.Fprintf(w, "check    twice rebuild %s\n", im.Name)
	}
	return nil
}

// state says what was done to something.
func state(done bool, word string) string {
	if done {
		return word
	}
	return "was there"
}
