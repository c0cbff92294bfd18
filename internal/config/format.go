package config

import (
	"bytes"
	"fmt"

	"github.com/pelletier/go-toml/v2"
)

// Reference is the annotated example that the package comment shows, for help
// texts.
const Reference = `  name  = "ripgrep"             # the sources lie in /build/<name>; default: each build's name
  epoch = 1763769600            # seconds since 1970, for a directory without git
  git   = true                  # build scripts get git and a repository of this one commit and its tags
  whole-repository = true       # the build gets all of the repository, not just the workspace's folder

  [source]
  repository = "https://git.example.org/team/tool"  # where others find the commit; default: Cargo.toml's

  [toolchain]
  channel    = "1.95.0"         # default: rust-toolchain.toml, then Twice's own pin; "debian": the builder's own packages
  components = ["rustfmt"]      # beside rustc, cargo and rust-std
  targets    = ["wasm32-unknown-unknown"] # more standard libraries, beside the builds' own

  [builder]
  image    = "builder-rust"
  packages = ["cmake"]          # more Debian packages

  [cuda]                        # a layer of the builder, and what build scripts find it by
  wheels = ["nvidia-cuda-runtime-cu12==12.9.79", "libclang==18.1.1"]  # from the Python package index
  # redist     = "12.9.1"       # instead of nvidia's wheels: NVIDIA's archives of that release
  # components = ["cuda_cudart", "cuda_nvcc"]

  [[build]]
  name     = "ripgrep"          # default: the package; the sources lie in /build/<name>
  packages = ["ripgrep"]        # cargo's --package
  bins     = ["rg"]             # default: every binary of these packages
  features = ["pcre2"]
  default-features = true
  target   = "x86_64-unknown-linux-gnu"
  profile  = "release"
  rlibs    = true               # compare every .rlib too
  split-debug = true            # debug information in files and archives of its own
  auditable  = true             # the list of packages is in the programs, as cargo-auditable does it
  provenance = true             # the build sees TWICE_PROVENANCE, for its programs to print
  env      = { NAME = "value", VERSION = "{tag}" } # what the build sees beside the fixed environment;
                                # {tag}, {version}, {commit} and {epoch} stand for the source's

  [[image]]
  name       = "ripgrep-static" # default: the build's; images of one build must differ in it
  build      = "ripgrep"        # default: the only build
  # builds   = ["x86_64", "arm64"] # instead: an image of each, and an index of them
  base       = "runtime-cc"     # or "scratch"
  entrypoint = ["/usr/bin/rg"]  # default: the first binary
  cmd        = ["--version"]    # arguments, where none are given
  user       = "65532:65532"
  working-dir = "/data"
  env        = { RIPGREP_CONFIG_PATH = "/etc/ripgreprc" }
  labels     = { "org.opencontainers.image.vendor" = "Example" } # beside those that Twice writes
  expose     = ["8080/tcp"]
  files      = { "wit" = "/usr/share/ripgrep/wit" }
  driver-libraries = ["libcuda.so.1"]  # supplied by the host's driver at run time

  [archive]
  formats = ["tar.gz"]          # also tar.zst and zip
  files   = ["LICENSE*", "README.md"]
  out-dir = ["tool.bash"]       # what a build script writes to its OUT_DIR: completions, manual pages
  sums    = true                # SHA256SUMS of all archives and binaries, as an artefact
  third-party-licences = true   # the licence texts of the crates that are linked in, in archives and images

  [check]                       # what twice check asks cargo-deny: no part of any build
  # cargo-deny's .crate by hash: Twice builds it; a commit of deny.toml's db-urls, or of RustSec's database
  cargo-deny  = { version = "0.20.2", sha256 = "e528dfcbe739af7ce37a77d3d6df1b29dd6887b1c701d888820c0f16b864f737" }
  advisory-db = { commit = "0123456789abcdef0123456789abcdef01234567" }

  [profile.local]               # other inputs, used with --profile local
  base      = "runtime-cc"      # of every image that isn't made from scratch
  toolchain = { channel = "1.95.0", components = ["rustfmt"] }
  builder   = { image = "builder-rust" }
  cuda      = { wheels = ["nvidia-cuda-runtime-cu12==12.9.79"] }
`

// Format writes the file as `twice init` does.
func (f *File) Format() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# What twice builds; `twice init --help` lists the keys.\n\n")
	e := toml.NewEncoder(&b)
	e.SetIndentTables(false)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("writing %s: %w", Name, err)
	}
	return b.Bytes(), nil
}
