package rebuild

import (
	"errors"
	"testing"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/verdict"
)

// Settings that no twice.toml can have are an incident before anything is made of them: a
// build's name is a folder's.
func TestSettings(t *testing.T) {
	for _, c := range []*config.File{nil, {}, {Builds: []config.Build{{Name: "../../any/where"}}}} {
		claim := &Claim{Statement: &provenance.Statement{}}
		claim.Statement.Predicate.BuildDefinition.ExternalParameters.Config = c
		_, _, err := claim.Source(t.Context(), "")
		if bad := new(verdict.Incident); !errors.As(err, &bad) || bad.What != "the settings in the statement" {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
