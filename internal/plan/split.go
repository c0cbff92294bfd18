package plan

import (
	"fmt"
	"strings"
)

// splitVendor vendors each git source by itself: `cargo vendor` refuses two
// packages of one name and version, which is what two commits of a repository
// often have. A package that needs nothing but a source's packages stands in for the
// workspace. All versions are those of Cargo.lock: no others are there.
func (p *Plan) splitVendor(b *strings.Builder) {
	b.WriteString("cp -R /in/vendor/" + IndexDir + " /vendor/\n")
	p.takeRegistries(b, "/vendor/")
	for _, s := range p.GitSources {
		fmt.Fprintf(b, "mkdir -p /split/%s\ncd /split/%s\n: > lib.rs\ncp '/source%s/Cargo.lock' .\n", s.Folder, s.Folder, slashed(p.Dir))
		b.WriteString("cat > Cargo.toml <<'TOML'\n[package]\nname = \"twice-vendor\"\nversion = \"0.0.0\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n")
		for i, x := range s.Packages {
			name, version, _ := strings.Cut(x, " ")
			fmt.Fprintf(b, "p%d = { package = \"%s\", version = \"=%s\", git = \"%s\", rev = \"%s\" }\n", i, name, version, s.URL, s.Commit)
		}
		fmt.Fprintf(b, "TOML\ncargo vendor --versioned-dirs --respect-source-config /vendor/%s > /dev/null\n", s.Folder)
		// What is from elsewhere is in its own source's folder.
		fmt.Fprintf(b, "for crate in /vendor/%s/*; do\n    grep -q '\"package\":null' \"$crate/.cargo-checksum.json\" || rm -rf \"$crate\"\ndone\n", s.Folder)
	}
	b.WriteString("cat > /vendor/git-sources.toml <<'TOML'\n")
	for _, s := range p.GitSources {
		fmt.Fprintf(b, "[source.\"git+%s?rev=%s\"]\ngit = \"%s\"\nrev = \"%s\"\nreplace-with = \"%s\"\n", s.URL, s.Commit, s.URL, s.Commit, s.Folder)
		fmt.Fprintf(b, "[source.\"%s\"]\ndirectory = \"@CARGO_HOME@/registry/src/%s\"\n", s.Folder, s.Folder)
	}
	b.WriteString("TOML\n")
	fmt.Fprintf(b, "find /vendor -exec touch -h -d @%d {} +\n", p.Epoch)
	b.WriteString("END\n\n")
}

// takeGit gives the build what vendoring left beside the registry's crates.
func (p *Plan) takeGit(b *strings.Builder) {
	if len(p.GitSources) == 0 {
		b.WriteString("cat /in/vendor/git-sources.toml >> \"$cargo_home/config.toml\"\n")
		return
	}
	for _, s := range p.GitSources {
		fmt.Fprintf(b, "cp -R /in/vendor/%s \"$cargo_home/registry/src/\"\n", s.Folder)
	}
	b.WriteString("sed \"s|@CARGO_HOME@|$cargo_home|\" /in/vendor/git-sources.toml >> \"$cargo_home/config.toml\"\n")
}
