package plan

import "github.com/craton-co/twice/internal/audit"

const watchProgram = "/usr/lib/twice-watch"

// watch makes what watches a build, with the builder's own compiler. Neither
// PATH nor the environment of the build changes.
func watch() string {
	return "cat > /tmp/watch.c <<'C'\n" + audit.Program + "C\ncat > /tmp/tell.c <<'C'\n" + audit.Library + `C
PATH=/usr/bin cc -O2 -o ` + watchProgram + ` /tmp/watch.c
PATH=/usr/bin cc -O2 -shared -fPIC -o /usr/lib/twice-tell.so /tmp/tell.c
rm /tmp/watch.c /tmp/tell.c
mkdir /out/audit
echo /usr/lib/twice-tell.so > /etc/ld.so.preload
`
}
