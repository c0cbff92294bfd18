package resolve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/lock"
)

// given is opt.Given, or nothing.
func (o Options) given() Given {
	if o.Given == nil {
		return Given{}
	}
	return *o.Given
}

// Others are the files of the sources that were not used because Options.Given
// has others: twice.toml, twice.lock.
func (p *Project) Others() []string { return p.others }

// compareOwn finds out which of the sources' own settings are others than those
// that are given. What can't be read is another.
func (p *Project) compareOwn(fsys fs.FS) error {
	own, err := fs.ReadFile(fsys, path.Join(p.Workspace.Root, config.Name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", config.Name, err)
	}
	if err == nil && !p.asksTheSame(own) {
		p.others = append(p.others, config.Name)
	}
	text, err := fs.ReadFile(fsys, path.Join(p.Workspace.Root, p.LockName()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // what is given may be the built-in pins of the day
	} else if err != nil {
		return fmt.Errorf("reading %s: %w", p.LockName(), err)
	}
	if l, err := lock.Parse(text); err != nil || !bytes.Equal(l.Format(), p.given.Lock) {
		p.others = append(p.others, p.LockName())
	}
	return nil
}

// asksTheSame tells whether a twice.toml means what is given.
func (p *Project) asksTheSame(text []byte) bool {
	f, err := config.Parse(text)
	if err != nil || Fill(f, p.Workspace, p.Profile) != nil {
		return false
	}
	var names []string
	for _, b := range p.Config.Builds {
		names = append(names, b.Name)
	}
	if only(f, names) != nil {
		return false
	}
	a, errA := json.Marshal(f)
	b, errB := json.Marshal(p.Config)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// useGiven is UseLock of a lock that is given. It was made for the settings of
// all the builds that a project had, of which there may be some here.
func (p *Project) useGiven() error {
	var err error
	if p.Lock, err = lock.Parse(p.given.Lock); err != nil {
		return fmt.Errorf("the given lock: %w", err)
	}
	p.LockFrom, p.asked = "the statement", p.Lock.Inputs
	return p.answers(p.given.Lock)
}

// SeesTags tells whether a build can see the tags of its commit.
func (p *Project) SeesTags() bool {
	if p.Config.Git {
		return true
	}
	for _, b := range p.Config.Builds {
		for _, v := range b.Env {
			if strings.Contains(v, "{tag}") {
				return true
			}
		}
	}
	return false
}

// Repository is where the project says that its commits are: [source] in
// twice.toml, or the repository in Cargo.toml if its packages name just one. It
// is an identity for everybody, never the clone at hand; "" if nothing says it.
func (p *Project) Repository() string {
	if s := p.Config.Source; s != nil && s.Repository != "" {
		return s.Repository
	}
	found := ""
	for _, m := range p.Workspace.Members {
		switch {
		case m.Repository == "" || !config.IsRepository(m.Repository):
		case found == "":
			found = m.Repository
		case found != m.Repository:
			return ""
		}
	}
	return found
}
