package resolve

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
)

// stampRE is what stands for a property of the source in a build's env.
var stampRE = regexp.MustCompile(`\{(tag|version|commit|epoch)\}`)

// Stamp puts the source's tag, version, commit and epoch in the place of
// {tag}, {version}, {commit} and {epoch} in a build's variables. They are the
// same for everybody who builds the commit. What the source lacks is an error.
func (p *Project) Stamp(b config.Build) (map[string]string, error) {
	if len(b.Env) == 0 {
		return b.Env, nil
	}
	out := maps.Clone(b.Env)
	for _, k := range slices.Sorted(maps.Keys(out)) {
		var failed error
		out[k] = stampRE.ReplaceAllStringFunc(out[k], func(word string) string {
			v, err := p.stamp(word)
			if err != nil {
				failed = fault.Hint(fmt.Errorf("%s: %s has %s: %w", p.Config.Where("build", b.Nth, "env", k), k, word, err), fault.HintOf(err))
			}
			return v
		})
		if failed != nil {
			return nil, failed
		}
	}
	return out, nil
}

func (p *Project) stamp(word string) (string, error) {
	s := p.Source
	switch word {
	case "{tag}":
		switch len(s.Tags) {
		case 1:
			return s.Tags[0], nil
		case 0:
			return "", fault.Hint(errors.New("no tag names what is built"), "`git tag v1.2.3` names the commit; of a shallow clone fetch the tags too")
		}
		return "", fault.Hint(fmt.Errorf("several tags name the commit: %s", strings.Join(s.Tags, ", ")), "use {version}, which is Cargo.toml's, or leave one tag")
	case "{commit}":
		if s.Commit == "" {
			return "", fault.Hint(errors.New("no commit is built"), "build a clone, or git+URL#COMMIT")
		}
		return s.Commit, nil
	case "{version}":
		if p.Version() == "" {
			return "", fault.Hint(errors.New("the workspace has no version"), "set workspace.package.version in Cargo.toml")
		}
		return p.Version(), nil
	}
	return strconv.FormatInt(s.Epoch, 10), nil
}
