package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/engine"
)

// A sandbox that allows no tracing is told from a build that failed.
func TestCannotWatch(t *testing.T) {
	for output, want := range map[string]bool{
		"watch: ptrace: Operation not permitted\n": true,
		"watch: seccomp: Invalid argument\n":       true,
		"error: could not compile `ptrace`\n":      false,
	} {
		err := cannotWatch(fmt.Errorf("build A: %w", &engine.StepError{Step: "RUN", Exit: 125, Output: []byte("x\n" + output), Err: errors.New("exit code: 125")}))
		if got := strings.HasPrefix(err.Error(), "the engine's sandbox doesn't let"); got != want {
			t.Errorf("%q: %v", output, err)
		}
	}
}
