package main

import (
	"context"
	"errors"
	"strings"

	"github.com/craton-co/twice/internal/lock"
)

// Build once, and say what the code that runs at build time did: it fails with the report when that tried the network, or did other than recorded
func (m *Twice) Audit(ctx context.Context) (string, error) {
	r, opt, err := m.start(ctx)
	if err != nil {
		return "", err
	}
	made, err := r.runner().Audit(ctx, opt)
	if err != nil {
		return "", failure(err)
	}
	rep := made.Report
	rep.Source = m.folder()
	rep.Judge(func(name, version string) []string { return lock.DidOf(made.Lock, name, version) })
	var b strings.Builder
	if err := rep.Text(&b); err != nil {
		return "", failure(err)
	}
	if rep.ExitCode() != 0 {
		return "", errors.New(strings.TrimRight(b.String(), "\n"))
	}
	return b.String(), nil
}
