package plan

import (
	"fmt"
	"strings"
)

// Licences of what is linked in: /out/licences has a folder for each package
// that is not of the sources, <name>-<version>, with the files at its root that
// are called after a licence, and for Rust's standard library; and index.txt, a
// line a package: name, version, SPDX expression of its manifest. Packages that
// only build scripts and procedural macros need are left out.

// licenceFiles are the patterns of find, whatever the case.
var licenceFiles = []string{"licen[sc]e*", "copying*", "copyright*", "notice*", "unlicen[sc]e*"}

func (p *Plan) takeLicences(b *strings.Builder, n names) {
	if !p.Licences {
		return
	}
	b.WriteString("mkdir -p /out/licences\n")
	p.runCargo(b, n, "tree --frozen --edges normal,no-proc-macro "+strings.Join(p.selection(), " ")+" --prefix none --format '{p}|{l}' > /tmp/linked")
	var match []string
	for _, f := range licenceFiles {
		match = append(match, "-iname '"+f+"'")
	}
	fmt.Fprintf(b, `texts() { # FROM NAME: copies the licence texts of a folder
    find "$1" -maxdepth 1 -type f \( %s \) -exec install -D -m 644 -t "/out/licences/$2" {} +
    if [ -d "$1/LICENSES" ]; then find "$1/LICENSES" -type f -exec install -D -m 644 -t "/out/licences/$2" {} +; fi
}
`, strings.Join(match, " -o "))
	if cuda := p.Env["CUDA_TOOLKIT_PATH"]; cuda != "" {
		fmt.Fprintf(b, "for from in %s/share/licenses/nvidia* %s/share/licenses/cuda*; do\n", quote(cuda), quote(cuda))
		b.WriteString("    if [ -d \"$from\" ]; then texts \"$from\" \"${from##*/}\"; fi\ndone\n")
	}
	b.WriteString(`sed 's/ (\*)$//' /tmp/linked | grep '|' | sort -u | while IFS='|' read -r package licence; do
    set -- $package
    case ${3:-} in "(/"*) continue ;; esac
    crate=$1-${2#v}
    for from in "$cargo_home"/registry/src/*/"$crate" $(find "$src" -path "*/$crate/Cargo.toml" -o -path "*/$1/Cargo.toml" | sed 's|/Cargo.toml$||'); do
        if [ -d "$from" ]; then texts "$from" "$crate"; break; fi
    done
    if [ -d "/out/licences/$crate" ]; then note=; else note=' (the package has no text of it)'; fi
    echo "$1 ${2#v}  ${licence:-no licence is named}$note" >> /out/licences/index.txt
done
rust=$(rustc -V | cut -d' ' -f2)
for from in "$(rustc --print sysroot)/share/doc/rust" /usr/share/doc/libstd-rust-web-dev; do
    if [ -d "$from" ]; then texts "$from" "rust-std-$rust"; fi
done
echo "rust-std $rust  MIT OR Apache-2.0" >> /out/licences/index.txt
`)
}
