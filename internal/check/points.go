package check

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/verdict"
)

func toolchainPinned(s *subject) outcome {
	var bad, good []Finding
	say := func(file string, line int, channel string) {
		if rust.IsMoving(channel) {
			bad = append(bad, at(file, line, "%q means another toolchain tomorrow", channel))
		} else {
			good = append(good, at(file, line, "%s", channel))
		}
	}
	pinned := false
	if t := s.ws.Toolchain; t.File != "" && t.Channel != "" {
		say(t.File, s.lineOf(t.File, t.Channel), t.Channel)
		pinned = true
	}
	if data, _ := s.read(s.below(config.Name)); data != nil {
		if f, err := config.Parse(data); err == nil && f.Toolchain.Channel != "" {
			say(s.below(config.Name), s.lineOf(s.below(config.Name), f.Toolchain.Channel), f.Toolchain.Channel)
			pinned = true
		}
	}
	if !pinned {
		bad = append(bad, Finding{Text: "neither rust-toolchain.toml nor " + config.Name + " names a toolchain"})
	}
	for _, r := range s.recipes {
		for _, c := range r.cargoCalls() {
			if c.Toolchain != "" && rust.CheckChannel(c.Toolchain) == nil && rust.IsMoving(c.Toolchain) && c.builds() {
				bad = append(bad, at(r.File, c.Line, "cargo +%s takes another toolchain than the pinned one, and a moving one", c.Toolchain))
			}
		}
	}
	return judge(bad, good)
}

func lockUsed(s *subject) outcome {
	name := s.below("Cargo.lock")
	var bad, good []Finding
	switch {
	case s.cargoLock == nil:
		bad = append(bad, at(name, 0, "isn't there, or git ignores it"))
	case slices.Contains(s.src.Untracked, name):
		bad = append(bad, at(name, 0, "isn't committed"))
	default:
		good = append(good, at(name, 0, "%d packages", len(s.cargoLock.Packages)))
	}
	n := 0
	for _, r := range s.recipes {
		for _, c := range r.cargoCalls() {
			if !c.builds() {
				continue
			}
			if n++; !c.locked() {
				bad = append(bad, at(r.File, c.Line, "%s: without --locked", c.text()))
			}
		}
	}
	if n > 0 {
		good = append(good, Finding{Text: fmt.Sprintf("commands that build: %d, each with --locked or --frozen", n)})
	}
	o := judge(bad, good)
	for _, r := range s.recipes {
		o.evidence = append(o.evidence, r.Unread...)
	}
	return o
}

func incrementalOff(s *subject) outcome {
	var bad, good []Finding
	profiles := []string{"release"}
	if s.config != nil {
		profiles = nil
		for _, b := range s.config.Builds {
			profiles = append(profiles, b.Profile)
		}
	}
	slices.Sort(profiles)
	for _, name := range slices.Compact(profiles) {
		p, err := s.ws.Profile(name)
		if err != nil {
			bad = append(bad, Finding{Text: err.Error()})
			continue
		}
		if p.Incremental {
			file, line := s.profileLine(name, "incremental")
			bad = append(bad, at(file, line, "profile %s is incremental", name))
		} else {
			good = append(good, Finding{Text: "profile " + name + " is not incremental"})
		}
	}
	if v := s.ws.Config.Build.Incremental; v != nil && *v {
		f := s.ws.Config.Files[0]
		bad = append(bad, at(f, s.lineOf(f, "incremental"), "build.incremental = true"))
	}
	on := func(v string) bool { return v == "1" || v == "true" }
	for _, v := range s.ws.Config.Env {
		if v.Name == "CARGO_INCREMENTAL" && on(v.Value) {
			bad = append(bad, at(v.File, s.lineOf(v.File, "CARGO_INCREMENTAL"), "CARGO_INCREMENTAL = %s", v.Value))
		}
	}
	for _, r := range s.recipes {
		all := slices.Clone(r.Env)
		for _, c := range r.Commands {
			all = append(all, c.Env...)
		}
		for _, v := range all {
			if v.Name == "CARGO_INCREMENTAL" && on(v.Value) {
				bad = append(bad, at(r.File, v.Line, "CARGO_INCREMENTAL=%s", v.Value))
			}
		}
	}
	return judge(bad, good)
}

// profileLine finds a key of a profile in the root's manifest, or in Cargo's configuration.
func (s *subject) profileLine(profile, key string) (string, int) {
	root := s.manifests[0]
	for name := profile; name != ""; name = root.Root.Str("profile", name, "inherits") {
		if v := root.Root.Get("profile", name, key); v != nil {
			return root.Name, v.Line
		}
	}
	for _, f := range s.ws.Config.Files {
		if n := s.lineOf(f, key); n > 0 {
			return f, n
		}
	}
	return root.Name, 0
}

// releasing are the recipes that build what is meant for others, with the
// first command that does. Those that call twice or dagger for it are left out:
// what they do to the environment is twice's matter.
func (s *subject) releasing() (all []*recipe, calls []cargoCall) {
	for _, r := range s.recipes {
		for _, c := range r.cargoCalls() {
			if c.releases() && !(c.Sub == "install" && !c.has("--path")) { // a tool from the registry is not what is released
				all, calls = append(all, r), append(calls, c)
				break
			}
		}
	}
	return all, calls
}

func sourceDateEpoch(s *subject) outcome {
	const name = "SOURCE_DATE_EPOCH"
	var bad, good []Finding
	recipes, calls := s.releasing()
	for i, r := range recipes {
		if !r.sets(name) {
			bad = append(bad, at(r.File, calls[i].Line, "%s: without %s", calls[i].text(), name))
		} else if v, ok := r.value(name); ok {
			good = append(good, at(r.File, v.Line, "set"))
		}
	}
	if f, ok := s.builtByTwice(); ok {
		f.Text = "built by twice, which sets it"
		good = append(good, f)
	}
	if len(good)+len(bad) == 0 {
		bad = append(bad, Finding{Text: "nothing here sets it: no recipe, no " + config.Name})
	}
	for _, u := range s.own {
		reads := false
		var clocks []Finding
		for _, file := range u.buildTimeFiles() {
			f := u.file(file)
			if f == nil {
				continue
			}
			for _, l := range leaks(f, true) {
				switch l.Kind {
				case epoch:
					reads = true
					good = append(good, at(file, l.Line, "%s", l.Text))
				case clock:
					clocks = append(clocks, at(file, l.Line, "%s, and nothing in %s's build-time code reads %s", l.Text, u.Name, name))
				}
			}
		}
		if !reads {
			bad = append(bad, clocks...)
		}
	}
	return judge(bad, good)
}

func pathsRemapped(s *subject) outcome {
	const flag = "--remap-path-prefix"
	var bad, good []Finding
	everywhere := false
	for _, f := range s.ws.Config.Files {
		if n := s.lineOf(f, flag); n > 0 {
			everywhere = true
			good = append(good, at(f, n, "%s", flag))
		}
	}
	if p, err := s.ws.Profile("release"); err == nil && p.TrimPaths != "" && p.TrimPaths != "none" {
		file, line := s.profileLine("release", "trim-paths")
		everywhere = true
		good = append(good, at(file, line, "trim-paths = %q", p.TrimPaths))
	}
	recipes, calls := s.releasing()
	for i, r := range recipes {
		if n := s.lineOf(r.File, flag); n > 0 {
			good = append(good, at(r.File, n, "%s", flag))
		} else if !everywhere {
			bad = append(bad, at(r.File, calls[i].Line, "%s: without %s", calls[i].text(), flag))
		}
	}
	if f, ok := s.builtByTwice(); ok {
		f.Text = "built by twice, which remaps"
		good = append(good, f)
	}
	if len(good)+len(bad) == 0 {
		bad = append(bad, Finding{Text: "nothing here remaps them: no recipe, no " + config.Name})
	}
	return judge(bad, good)
}

var digestRE = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

func builderPinned(s *subject) outcome {
	var bad, good []Finding
	for _, r := range s.recipes {
		for _, im := range r.Images {
			switch {
			case digestRE.MatchString(im.Ref):
				good = append(good, at(r.File, im.Line, "%s", im.Ref))
			case strings.Contains(im.Ref, "$"):
				bad = append(bad, at(r.File, im.Line, "%s: a variable, nothing here says which image", im.Ref))
			default:
				bad = append(bad, at(r.File, im.Line, "%s: no digest", im.Ref))
			}
		}
	}
	if s.twiceLock != nil {
		name := s.below(lock.Name)
		for _, im := range s.twiceLock.Images {
			good = append(good, at(name, s.lineOf(name, fmt.Sprintf("name = %q", im.Name)), "%s: %d packages by hash", im.Name, len(im.Packages)))
		}
		for _, b := range s.twiceLock.Bases {
			good = append(good, at(name, s.lineOf(name, b.Digest.String()), "%s@%s", b.Name, b.Digest))
		}
	} else if f, ok := s.builtByTwice(); ok {
		f.Text = "built by twice, with its built-in pins"
		good = append(good, f)
	}
	if len(good)+len(bad) == 0 {
		return skip("no image is named: no Dockerfile, no CI container, no %s", lock.Name)
	}
	return judge(bad, good)
}

func twoBuilds(s *subject) outcome {
	var good, bad []Finding
	if v := s.verdict; v != nil {
		switch {
		case v.Subject.Commit != "" && s.src.Commit != "" && v.Subject.Commit != s.src.Commit:
			bad = append(bad, Finding{Text: fmt.Sprintf("the verdict is about commit %.12s, not %.12s", v.Subject.Commit, s.src.Commit)})
		case v.Word != verdict.Reproducible:
			bad = append(bad, Finding{Text: "the verdict is " + string(v.Word)})
		default:
			good = append(good, Finding{Text: fmt.Sprintf("%s, reached %s", v.Word, v.Reached.UTC().Format("2006-01-02"))})
		}
		return judge(bad, good)
	}
	for _, r := range s.recipes {
		if n, ok := r.verifies(); ok && r.Kind == "CI" {
			good = append(good, at(r.File, n, "builds twice and compares"))
		}
	}
	if len(good) == 0 {
		bad = append(bad, Finding{Text: "no CI job does it, and no verdict was given"})
	}
	return judge(bad, good)
}

var attests = regexp.MustCompile(`attest-build-provenance|actions/attest@|slsa-framework/slsa-github-generator|in-toto`)

func provenance(s *subject) outcome {
	var publishes, records []Finding
	for _, r := range s.recipes {
		if r.Kind != "CI" && r.Kind != "script" && r.Kind != "make" {
			continue
		}
		for _, c := range r.Commands {
			text := strings.Join(c.Words, " ")
			switch {
			case publishing(c.Words):
				publishes = append(publishes, at(r.File, c.Line, "publishes: %.60s", text))
			case len(c.Words) > 1 && (path.Base(c.Words[0]) == "cosign" && c.Words[1] == "attest" || path.Base(c.Words[0]) == "slsa-generator"),
				writesStatement(c.Words):
				records = append(records, at(r.File, c.Line, "%.60s", text))
			}
			if slices.ContainsFunc(c.Words, func(w string) bool { return strings.HasPrefix(w, "--provenance") && w != "--provenance=false" }) {
				records = append(records, at(r.File, c.Line, "%.60s", text))
			}
		}
		for _, a := range r.Actions {
			if attests.MatchString(a.Name) {
				records = append(records, at(r.File, a.Line, "%s", a.Name))
			}
			if strings.Contains(a.Name, "action-gh-release@") || strings.Contains(a.Name, "docker/build-push-action@") || strings.Contains(a.Name, "upload-release-asset@") {
				publishes = append(publishes, at(r.File, a.Line, "publishes: %s", a.Name))
			}
		}
	}
	if len(publishes) == 0 && len(records) == 0 {
		return skip("nothing here publishes")
	}
	if len(records) == 0 {
		return outcome{status: Fail, evidence: publishes}
	}
	return pass(records...)
}

// writesStatement says whether a command is twice writing the statement that goes
// with a release.
func writesStatement(w []string) bool {
	i := slices.IndexFunc(w, func(x string) bool { return path.Base(x) == "twice" })
	if i < 0 || !slices.ContainsFunc(w[i+1:], func(x string) bool { return x == "verify" || x == "build" }) {
		return false
	}
	return slices.ContainsFunc(w[i+1:], func(x string) bool { return strings.HasPrefix(x, "-o") || strings.HasPrefix(x, "--output") })
}

// publishing says whether a command hands something to others.
func publishing(w []string) bool {
	if len(w) < 2 {
		return false
	}
	has := func(words ...string) bool {
		for _, x := range words {
			if !slices.Contains(w, x) {
				return false
			}
		}
		return true
	}
	switch path.Base(w[0]) {
	case "cargo":
		return w[1] == "publish" && !has("--dry-run")
	case "docker", "podman", "buildah", "skopeo", "crane", "oras":
		return w[1] == "push" || has("--push") || path.Base(w[0]) == "skopeo" && w[1] == "copy"
	case "gh":
		return w[1] == "release" && (has("create") || has("upload"))
	case "twice":
		return w[1] == "publish"
	case "dagger":
		return has("call", "publish")
	}
	return false
}
