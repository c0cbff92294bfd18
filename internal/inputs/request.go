package inputs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
)

// Request is all that ComposeLocked's result depends on, as text: what an
// engine that caches calls by their arguments has to be given. Equal requests
// give equal inputs, whatever the sources are.
type Request struct {
	Lock      string // twice.lock, the built-in pins included
	CargoLock string // Cargo.lock
	Settings  string // canonical JSON of what the lock doesn't say
}

type settings struct {
	Builder config.Builder `json:"builder"`
	Bases   []string       `json:"bases"`
	// Of a toolchain among the builder's packages.
	Toolchain *config.Toolchain `json:"toolchain,omitempty"`
	// Targets that need more than the builder has.
	Targets []string `json:"targets,omitempty"`
	Git     bool     `json:"git,omitempty"`
	// Sources of Cargo.lock whose crates are committed, and those that the
	// sources' own configuration replaces by another index.
	Committed []string          `json:"committed,omitempty"`
	Indexes   map[string]string `json:"indexes,omitempty"`
}

// NewRequest is the request of a locked project.
func NewRequest(p *resolve.Project) (Request, error) {
	s := settings{Builder: p.Config.Builder, Bases: []string{}, Git: p.Config.Git, Committed: p.CommittedSources(), Indexes: p.Indexes}
	for _, im := range p.Config.Images {
		s.Bases = append(s.Bases, im.Input())
	}
	slices.Sort(s.Bases)
	s.Bases = slices.Compact(s.Bases)
	if p.IsDebian() {
		s.Toolchain = &p.Config.Toolchain
	}
	for _, b := range p.Config.Builds {
		if b.Target != resolve.DefaultTarget && b.Target != "" {
			s.Targets = append(s.Targets, b.Target)
		}
	}
	slices.Sort(s.Targets)
	s.Targets = slices.Compact(s.Targets)
	text, err := json.Marshal(s)
	if err != nil {
		return Request{}, err
	}
	inputs := *p.Lock
	inputs.Reviewed = nil // decides nothing about the inputs
	return Request{Lock: string(inputs.Format()), CargoLock: p.CargoLockText, Settings: string(text)}, nil
}

// Project is a project with what the request says and no sources: what Fetch
// and ComposeLocked take.
func (r Request) Project() (*resolve.Project, error) {
	var s settings
	if err := json.Unmarshal([]byte(r.Settings), &s); err != nil {
		return nil, fmt.Errorf("parsing settings: %w", err)
	}
	p := &resolve.Project{Config: &config.File{Builder: s.Builder, Git: s.Git}, CargoLockText: r.CargoLock, Indexes: s.Indexes}
	p.SetCommittedSources(s.Committed)
	for _, b := range s.Bases {
		p.Config.Images = append(p.Config.Images, config.ParseInput(b))
	}
	if s.Toolchain != nil {
		p.Config.Toolchain = *s.Toolchain
	}
	for _, t := range s.Targets {
		p.Config.Builds = append(p.Config.Builds, config.Build{Target: t})
	}
	var err error
	if p.CargoLock, err = cargo.ParseLock([]byte(r.CargoLock)); err != nil {
		return nil, err
	}
	if p.Lock, err = lock.Parse([]byte(r.Lock)); err != nil {
		return nil, err
	}
	return p, nil
}

// Write fetches and composes what the request names, and writes it as a layout
// into dir, which is made or must be empty.
func (r Request) Write(ctx context.Context, tools resolve.Tools, dir string) error {
	p, err := r.Project()
	if err != nil {
		return err
	}
	if err := Fetch(ctx, tools, p); err != nil {
		return err
	}
	s, err := ComposeLocked(ctx, tools, p)
	if err != nil {
		return err
	}
	return s.WriteLayout(ctx, tools.Store, dir)
}
