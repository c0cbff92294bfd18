package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/craton-co/twice/internal/verdict"
)

// readNetwork reads how often a build tried to reach a network, and what compiled
// its dependencies, where that is part of it.
func readNetwork(out string, kept *verdict.Dependencies) (int64, error) {
	files := []string{filepath.Join(out, "network")}
	if kept != nil && kept.Why == "" {
		files = append(files, filepath.Join(out, "kept", "network"))
	}
	var all int64
	for _, f := range files {
		text, err := readLine(f)
		if errors.Is(err, fs.ErrNotExist) { // an engine of another kind
			continue
		}
		var n int64
		if err == nil {
			n, err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil {
			return 0, fmt.Errorf("reading how often the network was tried: %w", err)
		}
		all += max(0, n)
	}
	return all, nil
}
