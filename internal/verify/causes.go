package verify

import (
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/verdict"
)

// causeContext is what is known of the two builds and of the crates in them.
func causeContext(prep *Prepared, a, b *side, list []verdict.Artefact) cause.Context {
	return cause.Context{A: a.known(), B: b.known(), Epoch: prep.Project.Source.Epoch}
}

// known describes a side.
func (s *side) known() cause.Build {
	x := s.settings
	return cause.Build{
		Path: x.Source, CargoHome: x.CargoHome, Home: x.Home, User: x.User, UID: x.UID, Host: x.HostName, TZ: x.TZ,
		Locale: x.Lang + " " + x.LCAll, Umask: x.Umask, SearchPath: x.Path, Extra: x.Extra, Jobs: x.Jobs, Mtime: x.Mtime,
		Start: s.start, End: s.start.Add(s.took),
	}
}
