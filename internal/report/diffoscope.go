package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/verdict"
)

// A Pair is an artefact of both sides: two files, or two directories.
type Pair struct {
	Name, A, B string
}

// maxDiffoscope bounds diffoscope's page.
const maxDiffoscope = 64 << 20

// RunDiffoscope lets diffoscope compare pairs, for at most limit, and gives its
// page. Where there is none (it isn't installed, it took too long, it failed)
// the attachment says so. What it needs on the disk is in dir, which is the
// caller's to remove.
func RunDiffoscope(ctx context.Context, dir string, pairs []Pair, limit time.Duration) (verdict.Attachment, []File, error) {
	var none verdict.Attachment
	tool, err := exec.LookPath("diffoscope")
	if err != nil {
		return verdict.Attachment{Text: "diffoscope is not installed on the machine that built"}, nil, nil
	}
	version, err := exec.CommandContext(ctx, tool, "--version").Output()
	name := strings.TrimSpace(string(version))
	if err != nil || !strings.HasPrefix(name, "diffoscope") {
		name = "diffoscope"
	}
	for _, p := range pairs {
		for side, from := range map[string]string{"A": p.A, "B": p.B} {
			to := filepath.Join(dir, side, filepath.FromSlash(p.Name))
			if !filepath.IsLocal(filepath.FromSlash(p.Name)) {
				return none, nil, fmt.Errorf("running diffoscope: %q is no name of a file", p.Name)
			}
			if err := link(from, to); err != nil {
				return none, nil, fmt.Errorf("running diffoscope: %w", err)
			}
		}
	}
	page := filepath.Join(dir, Diffoscope)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, tool, "--no-progress", "--html", page, "A", "B")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	killTree(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return none, nil, context.Cause(ctx)
	case limited.Err() != nil:
		return verdict.Attachment{Text: fmt.Sprintf("%s was stopped after %s", name, verdict.Duration(limit.Seconds()))}, nil, nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return none, nil, fmt.Errorf("running diffoscope: %w", err)
	}
	info, serr := os.Stat(page)
	switch {
	case err == nil:
		return verdict.Attachment{Text: name + " sees no difference"}, nil, nil
	case exit.ExitCode() != 1 || serr != nil:
		return verdict.Attachment{Text: fmt.Sprintf("%s failed: %v: %.300s", name, exit, lastLines(stderr.String(), 1))}, nil, nil
	case info.Size() > maxDiffoscope:
		return verdict.Attachment{Text: fmt.Sprintf("%s made a page of %s, which is left out", name, verdict.Size(info.Size()))}, nil, nil
	}
	data, err := os.ReadFile(page)
	if err != nil {
		return none, nil, fmt.Errorf("running diffoscope: %w", err)
	}
	return verdict.Attachment{Name: Diffoscope, Text: name + "'s own page of " + named(pairs)}, []File{{Diffoscope, data}}, nil
}

func named(pairs []Pair) string {
	if len(pairs) > 3 {
		return count(len(pairs), "artefact")
	}
	var names []string
	for _, p := range pairs {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// link puts a file or a directory at another place, without copying where that
// can be.
func link(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(at, 0o777)
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
			return err
		}
		if os.Link(name, at) == nil {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(at, data, 0o666)
	})
}
