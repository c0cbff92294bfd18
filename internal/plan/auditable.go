package plan

import (
	"cmp"
	"fmt"
	"strings"
)

// auditable writes the packages that a build takes into its programs, as
// cargo-auditable does: a section .dep-v0 with zlib-compressed JSON, which
// rust-audit-info, cargo-audit and others read. The list is what cargo tree says of
// the build. A package that only build scripts and procedural macros need has kind
// "build". The order is that of names, the compression gzip's of the builder.
func (p *Plan) auditable(b *strings.Builder, n names) {
	b.WriteString("audit=\"$cargo_home/audit\"\n(umask 022 && mkdir \"$audit\")\n")
	args := strings.Join(p.selection(), " ") + " --prefix depth --format '|{p}' > \"$audit/"
	config := p.configFirst("\"$cargo_home\"")
	p.run(b, n, "cargo", config+"tree --frozen --edges normal "+args+"normal\"")
	p.run(b, n, "cargo", config+"tree --frozen --edges normal,build "+args+"all\"")
	b.WriteString(listScript)
	fmt.Fprintf(b, "(umask 022 && cd \"$audit\" && %s -c list.s)\n", cmp.Or(p.Tools.CC, "cc"))
}

const listScript = `(cd "$audit" && awk -F'|' '
{
	sub(/ \(\*\)$/, "")
	p = $2
	macro = sub(/ \(proc-macro\)/, "", p)
	split(p, w, " ")
	where = ""
	if (match(p, /\(.*\)$/)) where = substr(p, RSTART + 1, RLENGTH - 2)
	source = "crates.io"
	if (where ~ /^\//) source = "local"
	else if (where ~ /^registry /) source = "registry"
	else if (where != "") source = "git"
	k = w[1] "\t" substr(w[2], 2) "\t" source
	depth = $1 + 0
	host[depth] = macro || depth > 0 && host[depth - 1]
	if (FILENAME == "normal" && !host[depth]) linked[k] = 1
	seen[k] = 1
	path[depth] = k
	if (depth == 0) root[k] = 1
	else edge[path[depth - 1] "\t" k] = 1
}
END {
	for (k in seen) print "A\t" k "\t" (k in linked ? "" : "build") "\t" (k in root ? "root" : "")
	for (e in edge) print "B\t" e
}' normal all | LC_ALL=C sort -u > sorted
[ "$(grep -c 'root$' sorted)" = 1 ] || { echo 'twice: auditable = true is for builds of one package' >&2; exit 1; }
awk -F'\t' '
BEGIN { n = 0 }
$1 == "A" { i[$2 FS $3 FS $4] = n; package[n++] = $0; next }
{ a = i[$2 FS $3 FS $4]; needs[a] = needs[a] (needs[a] == "" ? "" : ",") i[$5 FS $6 FS $7] }
END {
	printf "{\"packages\":["
	for (j = 0; j < n; j++) {
		split(package[j], f, FS)
		printf "%s{\"name\":\"%s\",\"version\":\"%s\",\"source\":\"%s\"", j ? "," : "", f[2], f[3], f[4]
		if (f[5] != "") printf ",\"kind\":\"build\""
		if (needs[j] != "") printf ",\"dependencies\":[%s]", needs[j]
		if (f[6] != "") printf ",\"root\":true"
		printf "}"
	}
	printf "]}"
}' sorted > list.json
gzip -9n < list.json > list.gz
sum=$(od -An -v -tu1 -w1 list.json | awk 'BEGIN { a = 1 } { a = (a + $1) % 65521; b = (b + a) % 65521 }
	END { printf "\\%03o\\%03o\\%03o\\%03o", b / 256, b % 256, a / 256, a % 256 }')
{ printf '\170\332'; tail -c +11 list.gz | head -c -8; printf "$sum"; } > list.z
printf '%s\n' '.section .dep-v0,"a"' '.globl AUDITABLE_VERSION_INFO' 'AUDITABLE_VERSION_INFO:' '.incbin "list.z"' '.section .note.GNU-stack,"",%progbits' > list.s)
`

// linkList has rustc link the list into programs, but not into build scripts. It
// stands in an unquoted here-document, as the wrapper does.
func (p *Plan) linkList() string {
	if !p.Auditable {
		return ""
	}
	return `case " \$* " in
*" --crate-name build_script_"*) ;;
*" --crate-type bin "*) set -- "\$@" -C link-arg=$cargo_home/audit/list.o -C link-arg=-Wl,--undefined=AUDITABLE_VERSION_INFO ;;
esac
`
}
