package resolve

import (
	"io/fs"
	"regexp"
	"slices"

	"github.com/craton-co/twice/internal/source"
)

// gitCrates are libraries whose only job is to ask git for build scripts and macros.
var gitCrates = []string{"git-testament", "git-version", "shadow-rs", "vergen-git2", "vergen-gitcl", "vergen-gix"}

// runsGit is how a build script starts git.
var runsGit = regexp.MustCompile(`Command::new\(\s*"git"`)

// MissesGit names what in the project asks git for the commit although the
// project's builds see no git, or "" when nothing is known to. A published crate
// was made to build without a repository.
func (p *Project) MissesGit() string {
	if p.Config.Git || p.Source.Kind == source.KindCrate || p.Source.Commit == "" {
		return ""
	}
	for _, m := range p.Workspace.Members {
		if m.BuildScript == "" {
			continue
		}
		if text, err := fs.ReadFile(p.Source.FS(), m.BuildScript); err == nil && runsGit.Match(text) {
			return m.BuildScript
		}
	}
	for _, c := range p.CargoLock.Crates() {
		if slices.Contains(gitCrates, c.Name) {
			return "crate " + c.Name
		}
	}
	return ""
}
