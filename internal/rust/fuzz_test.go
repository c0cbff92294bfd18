package rust

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/spool"
)

func FuzzParseManifest(f *testing.F) {
	mutate.Add(f, []byte(sample("1.95.0")))
	mutate.Add(f, []byte(sample("1.96.0-nightly")))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		pin, err := m.Pin(m.Channel(), host, []string{"rustfmt", "rust-src"}, []string{other})
		if err != nil {
			return
		}
		if IsMoving(pin.Channel) {
			t.Errorf("pin names %s", pin.Channel)
		}
		for _, c := range pin.Components {
			if c.SHA256.Validate() != nil || !strings.HasPrefix(c.Path, "dist/") || layer.CheckPath(c.Path) != nil {
				t.Errorf("component %+v was let through", c)
			}
		}
	})
}

func FuzzParseToolchainFile(f *testing.F) {
	mutate.Add(f, "rust-toolchain", []byte("1.95.0\n"))
	mutate.Add(f, "rust-toolchain.toml", []byte("[toolchain]\nchannel = \"nightly-2026-04-03\"\ncomponents = [\"rust-src\"]\n"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		tf, err := ParseToolchainFile(name, data)
		if err == nil && tf.Channel != "" {
			if p, err := ManifestPath(tf.Channel); err != nil || layer.CheckPath(p) != nil {
				t.Errorf("channel %q was let through: %q, %v", tf.Channel, p, err)
			}
		}
	})
}

func FuzzReadDist(f *testing.F) {
	mutate.Add(f, gz(f, distTar(f, "c/cargo/manifest.in", "file:x\ndir:d\n", "c/cargo/x", "x", "c/cargo/d/e/f!", "f", "c/cargo/y", "=c/cargo/x")))
	mutate.Add(f, xzip(f, distTar(f, "c/cargo/manifest.in", "file:../x\n", "c/cargo/x", "x")))
	f.Fuzz(func(t *testing.T, data []byte) {
		sp, err := spool.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer sp.Close()
		entries, err := readDist(context.Background(), bytes.NewReader(data), sp, Component{Name: "cargo", Target: host})
		if err != nil {
			return
		}
		for _, e := range entries {
			if layer.CheckPath(e.Path) != nil {
				t.Errorf("%q was let through", e.Path)
			}
		}
	})
}
