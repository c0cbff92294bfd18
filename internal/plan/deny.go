package plan

import (
	"cmp"
	"fmt"
	"strings"
)

// askDeny is cargo-deny in the place of the build. It takes the age of a database
// from when it was fetched; that of a pinned one is the commit's, and which one
// that is the report says.
func (p *Plan) askDeny(b *strings.Builder, n names) {
	path := cmp.Or(p.Deny.Path, "$CARGO_HOME/advisory-dbs")
	path = strings.NewReplacer("${CARGO_HOME}", "$cargo_home", "$CARGO_HOME", "$cargo_home").Replace(path)
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		path = "$home/" + rest
	}
	fmt.Fprintf(b, "db=\"%s\"\nmkdir -p \"$db/%[2]s\" /out/deny\ncp -R /in/advisories/. \"$db/%[2]s/\"\n", path, p.Deny.Folder)
	fmt.Fprintf(b, "mkdir -p \"$db/%[1]s/.git\"\n: > \"$db/%[1]s/.git/FETCH_HEAD\"\nchown -R \"$uid:$uid\" \"$db\"\n", p.Deny.Folder)
	b.WriteString("for check in advisories licenses bans sources; do\n")
	// Its status says that something was found; what was is in the output.
	p.run(b, n, "/in/deny/cargo-deny", "--frozen --format json --log-level warn check \"$check\" > \"/out/deny/$check\" 2>&1 || :")
	b.WriteString("done\nfind /out -exec touch -h -d @0 {} +\ncd /\nrm -rf \"$src\" \"$cargo_home\"\n")
}
