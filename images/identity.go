package images

import (
	_ "embed"
	"encoding/json"

	"github.com/opencontainers/go-digest"
)

// BuiltinToolchain is builder-rust/toolchain.toml: the Rust toolchain of
// whoever asks for no other, in the form of a lock's [toolchain] table.
//
//go:embed builder-rust/toolchain.toml
var BuiltinToolchain []byte

// Identity is a digest of what the definition says, without its lock and the
// groups that were selected. A comment in image.toml doesn't change it.
func (d Definition) Identity() digest.Digest {
	d.Lock, d.Selected = Lock{}, nil
	data, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings, numbers and maps of strings
	}
	return digest.FromBytes(data)
}
