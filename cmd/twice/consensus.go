//go:build !ahead

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/craton-co/twice/internal/consensus"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/rebuild"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/trust"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
)

// consensusFlags are those of consensus.
type consensusFlags struct {
	trust      trustFlags
	rebuilders string
	records    []string
	by         string
	question   consensus.Question
}

func newConsensus(g *global) *cobra.Command {
	var c consensusFlags
	cmd := &cobra.Command{
		Use:   "consensus IMAGE@sha256:… | FILE",
		Short: "count who built the same bits, and list who said what",
		Long: `Consensus reads the signed run records about an image, or about a file, and counts
the rebuilders who say that they had the same bits. Signatures don't count,
signers do: each once, with the latest that they said.

Records are those attached to the image in its own repository, and those that
--records names: another repository, a folder (a clone of a repository of
records, say), or a file.

Who counts is said by a list of rebuilders, which knows the people and
organisations behind keys and identities, by keys and identities on the command
line, or both:

  [[rebuilder]]
  person       = "Alice Example"
  organisation = "Example Ltd"
  keys         = ["alice.pub"]            # PEM, beside the list
  ssh          = ["ssh-ed25519 AAAA…"]
  identities   = [{ subject = "alice@example.org", issuer = "https://…" }]

Compilers of different origin (Rust's own, a distribution's) are counted apart:
builds by one compiler say nothing about that compiler.

The exit status is 0 if at least --require agree, 1 if not, 2 on an error.`,
		Example: `  twice consensus registry.example.org/team/tool@sha256:… --require 3 --rebuilders rebuilders.toml
  twice consensus ./tool --records records/ --rebuilders rebuilders.toml`,
		Args: cobra.ExactArgs(1),
	}
	c.trust.add(cmd)
	f := cmd.Flags()
	f.IntVar(&c.question.Required, "require", 2, "how many must agree")
	f.StringVar(&c.by, "by", "person", "what counts once: identity, person or organisation")
	f.BoolVar(&c.question.Unanimous, "unanimous", false, "one who says otherwise is enough to undo it")
	f.StringVar(&c.rebuilders, "rebuilders", "", "the list of those whose records count, a TOML file")
	f.StringArrayVar(&c.records, "records", nil, "look for records here too: a repository in a registry, a folder, or a file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), g, args[0]) }
	return cmd
}

func (c *consensusFlags) run(ctx context.Context, g *global, what string) error {
	c.question.By = consensus.Unit(c.by)
	switch c.question.By {
	case consensus.Identity, consensus.Person, consensus.Organisation:
	default:
		return fault.Hint(fmt.Errorf("--by %s: nothing that counts once is called so", c.by), "identity, person or organisation")
	}
	if c.question.Required < 1 {
		return fault.Hint(fmt.Errorf("--require %d: nobody has to agree with that", c.question.Required), "give 1 or more")
	}
	policy, list, err := c.policy()
	if err != nil {
		return err
	}
	documents, err := c.documents(ctx, what)
	if err != nil {
		return err
	}
	r := consensus.Count(c.question, list, policy, documents)
	if g.json {
		data, err := r.JSON()
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write(data); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	} else if err := r.Text(os.Stdout); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if !r.Consensus {
		return exitError(1)
	}
	return nil
}

// policy trusts who is on the list, and who is named by flags.
func (c *consensusFlags) policy() (trust.Policy, *consensus.List, error) {
	p, err := c.trust.policy()
	if err != nil {
		return p, nil, err
	}
	if c.rebuilders == "" {
		if p.Empty() {
			return p, nil, fault.Hint(errors.New("nobody's word would count"), "say whose does: --rebuilders FILE, --key FILE, --allowed-signers FILE, or --identity with --issuer")
		}
		return p, nil, nil
	}
	list, err := consensus.ReadList(c.rebuilders)
	if err != nil {
		return p, nil, err
	}
	instance, err := c.trust.instance()
	if err != nil {
		return p, nil, err
	}
	more := list.Policy(instance)
	p.Keys, p.SSH, p.Identities = append(p.Keys, more.Keys...), append(p.SSH, more.SSH...), append(p.Identities, more.Identities...)
	if p.Instance == nil {
		p.Instance = more.Instance
	}
	return p, list, nil
}

// documents are what may be records, and sets what they are to be about.
func (c *consensusFlags) documents(ctx context.Context, what string) ([]consensus.Document, error) {
	var all []consensus.Document
	opt := registry.Options{Docker: true}
	if _, err := os.Stat(what); err == nil || !strings.ContainsAny(what, ":@") {
		if c.question.Subject, err = digestOf(what); err != nil {
			return nil, err
		}
		if len(c.records) == 0 {
			return nil, fault.Hint(errors.New("where are the records about "+what+"?"), "name a repository, a folder or a file: --records WHERE")
		}
	} else {
		repo, d, err := rebuild.ParseReference(ctx, what, opt)
		if err != nil {
			return nil, err
		}
		defer repo.Close()
		c.question.Subject = d
		if all, err = consensus.FromRegistry(ctx, repo, d); err != nil {
			return nil, err
		}
	}
	for _, where := range c.records {
		more, err := c.from(ctx, where, opt)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

func (c *consensusFlags) from(ctx context.Context, where string, opt registry.Options) ([]consensus.Document, error) {
	if _, err := os.Stat(where); err == nil || strings.HasPrefix(where, ".") || strings.HasPrefix(where, "/") {
		return consensus.FromPath(ctx, where)
	}
	repo, err := registry.OpenName(where, opt)
	if err != nil {
		return nil, fmt.Errorf("--records %s: it is no file, and no repository: %w", where, err)
	}
	defer repo.Close()
	return consensus.FromRegistry(ctx, repo, c.question.Subject)
}

// digestOf is a file's.
func digestOf(name string) (digest.Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	d, err := digest.FromReader(io.Reader(f))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return d, nil
}
