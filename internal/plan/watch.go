package plan

import "github.com/craton-co/twice/internal/audit"

// What watches, and what is preloaded for it.
const (
	watchProgram = "/usr/lib/twice-watch"
	watchLibrary = "/usr/lib/twice-tell.so"
)

// watch makes what watches a build, with the builder's own compiler. Neither
// PATH nor the environment of the build changes. log is the folder of the log.
func watch(log string) string {
	return "cat > /tmp/watch.c <<'C'\n" + audit.Program + "C\ncat > /tmp/tell.c <<'C'\n" + audit.Library + `C
PATH=/usr/bin cc -O2 -o ` + watchProgram + ` /tmp/watch.c
PATH=/usr/bin cc -O2 -shared -fPIC -o ` + watchLibrary + ` /tmp/tell.c
rm /tmp/watch.c /tmp/tell.c
mkdir ` + log + `
echo ` + watchLibrary + ` >> /etc/ld.so.preload
`
}
