package rust

import (
	"fmt"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/fault"
)

// Debian stands, in place of a channel, for the toolchain that a builder image
// has among its locked packages. It is no channel of the distribution.
const Debian = "debian"

// IsMoving says whether a channel means another toolchain tomorrow: "stable",
// "beta", "nightly" without a date, "1.95", which the next patch release moves,
// and "1.95.0-beta".
func IsMoving(channel string) bool {
	if channel == Debian {
		return false // the packages are locked
	}
	name, date := splitChannel(channel)
	if date != "" {
		return false
	}
	version, pre, hasPre := strings.Cut(name, "-")
	return strings.Count(version, ".") != 2 || hasPre && !strings.Contains(pre, ".")
}

// splitChannel separates the date from a channel's name.
func splitChannel(channel string) (name, date string) {
	if n := len(channel) - len("-2006-01-02"); n > 0 && channel[n] == '-' {
		if _, err := time.Parse(time.DateOnly, channel[n+1:]); err == nil {
			return channel[:n], channel[n+1:]
		}
	}
	return channel, ""
}

// CheckChannel reports why a channel isn't one. A host triple after it, which
// rustup allows, is refused: the host is chosen elsewhere.
func CheckChannel(channel string) error {
	name, _ := splitChannel(channel)
	switch name {
	case "stable", "beta", "nightly":
		return nil
	}
	version, pre, hasPre := strings.Cut(name, "-")
	parts := strings.Split(version, ".")
	ok := len(name) < 40 && (len(parts) == 2 || len(parts) == 3)
	for _, p := range parts {
		ok = ok && p != "" && strings.Trim(p, "0123456789") == ""
	}
	if hasPre { // 1.95.0-beta, 1.95.0-beta.3
		rest, isBeta := strings.CutPrefix(pre, "beta")
		ok = ok && isBeta && strings.Trim(rest, ".0123456789") == ""
	}
	if !ok {
		return fault.Hint(fmt.Errorf("toolchain channel %.100q is not one", channel),
			`name a release ("1.95.0"), or a dated channel ("nightly-2026-04-03")`)
	}
	return nil
}

// ManifestPath is where the manifest of a channel is below a distribution
// server's root: "dist/channel-rust-1.95.0.toml",
// "dist/2026-04-03/channel-rust-nightly.toml".
func ManifestPath(channel string) (string, error) {
	if err := CheckChannel(channel); err != nil {
		return "", err
	}
	name, date := splitChannel(channel)
	if date != "" {
		return "dist/" + date + "/channel-rust-" + name + ".toml", nil
	}
	return "dist/channel-rust-" + name + ".toml", nil
}
