package source

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// GitFile returns a file of the default branch of a repository, as it is now.
// Options are FetchGit's; the commit is found out.
func GitFile(ctx context.Context, opt GitOptions, name string) ([]byte, error) {
	var errs []error
	for _, u := range opt.URLs {
		if err := CheckGitURL(u); err != nil {
			return nil, err
		}
		out, err := repo{"."}.line(ctx, "ls-remote", "--quiet", "--", u, "HEAD")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		opt.Commit, _, _ = strings.Cut(out, "\t")
		if !isCommit(opt.Commit) {
			errs = append(errs, fmt.Errorf("%s has no default branch", redact(u)))
			continue
		}
		one := opt
		one.URLs = []string{u}
		if _, err := FetchGit(ctx, one); err != nil {
			errs = append(errs, err)
			continue
		}
		return repo{opt.Dir}.git(ctx, "cat-file", "blob", opt.Commit+":"+name)
	}
	if len(errs) == 0 {
		return nil, errors.New("no place to have it from")
	}
	return nil, fault.Hintf(errors.Join(errs...), "`git ls-remote %s` has to work; credentials come from git's own settings", redact(opt.URL))
}
