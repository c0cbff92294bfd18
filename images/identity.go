package images

import (
	"embed"
	"encoding/json"
	"io/fs"

	"github.com/opencontainers/go-digest"
)

// BuiltinToolchain is builder-rust/toolchain.toml: the Rust toolchain of
// whoever asks for no other, in the form of a lock's [toolchain] table.
//
//go:embed builder-rust/toolchain.toml
var BuiltinToolchain []byte

//go:embed toolchains/*.toml
var toolchains embed.FS

// Toolchain is the file in toolchains/ that pins a channel: more toolchains
// whose tarballs are known by hash, in the same form as the built-in one. It
// is nil where there is none.
func Toolchain(channel string) []byte {
	data, err := fs.ReadFile(toolchains, "toolchains/"+channel+".toml")
	if err != nil {
		return nil
	}
	return data
}

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
