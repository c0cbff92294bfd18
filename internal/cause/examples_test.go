package cause

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// The examples: programs and libraries are compiled, archives packed by the usual tools
// where these are installed; what they can't make is put together by hand.

// ---- C

// gcc compiles a source in a folder on each side.
func (m *maker) gcc(dir, source string, env []string, args ...string) []byte {
	m.Helper()
	m.write(filepath.Join(dir, "x.c"), source)
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasSuffix(a, "/x.c") }) {
		args = append([]string{"x.c"}, args...)
	}
	m.run(dir, env, "gcc", append([]string{"-o", "out"}, args...)...)
	return m.read(filepath.Join(dir, "out"))
}

const tiny = "int f(int x) { return x + 1; }\n"

func twoDirs(source string, args ...string) func(m *maker) ([]byte, []byte, Context) {
	return func(m *maker) ([]byte, []byte, Context) {
		full := func(dir string) []string {
			return append([]string{"-c"}, strings.Split(strings.ReplaceAll(strings.Join(args, "\x00"), "DIR", m.path(dir)), "\x00")...)
		}
		return m.gcc("one/proj", source, nil, full("one/proj")...), m.gcc("two/other/proj", source, nil, full("two/other/proj")...),
			Context{A: Build{Path: m.path("one/proj")}, B: Build{Path: m.path("two/other/proj")}}
	}
}

func without3(f func(m *maker) ([]byte, []byte, Context)) func(m *maker) ([]byte, []byte) {
	return func(m *maker) ([]byte, []byte) {
		a, b, _ := f(m)
		return a, b
	}
}

// ---- Rust

// rustc compiles a library in a folder, whose path it gets in full, as cargo
// does for what is not in the workspace.
func (m *maker) rustc(dir, source string, env []string, args ...string) []byte {
	m.Helper()
	p := m.write(filepath.Join(dir, "src", "lib.rs"), source)
	m.run(dir, env, "rustc", append([]string{"--edition", "2021", "--crate-type", "lib", "--crate-name", "demo", "-O", p, "-o", m.path(dir, "libdemo.rlib")}, args...)...)
	return m.read(filepath.Join(dir, "libdemo.rlib"))
}

const panics = "pub fn f(x: &[u8], i: usize) -> u8 { if i > 7 { panic!(\"no\") } x[i] }\n"

func ofEnv(name, a, b string) func(m *maker) ([]byte, []byte, Context) {
	source := fmt.Sprintf("pub static WHO: &str = env!(%q);\n", name)
	return func(m *maker) ([]byte, []byte, Context) {
		return m.rustc("x", source, []string{name + "=" + a}), m.rustc("x", source, []string{name + "=" + b}), known()
	}
}

// ---- text that programs embed

// embedded puts a string into an object's data on each side.
func embedded(a, b string) func(m *maker) ([]byte, []byte, Context) {
	source := func(s string) string {
		return fmt.Sprintf("const char before[] = \"the first constant\";\nconst char value[] = %q;\nconst char after[] = \"the last constant\";\n", s)
	}
	return func(m *maker) ([]byte, []byte, Context) {
		return m.gcc("x", source(a), nil, "-c"), m.gcc("x", source(b), nil, "-c"), known()
	}
}

// unknowing forgets what is known of the builds.
func unknowing(f func(m *maker) ([]byte, []byte, Context)) func(m *maker) ([]byte, []byte, Context) {
	return func(m *maker) ([]byte, []byte, Context) {
		a, b, _ := f(m)
		return a, b, Context{}
	}
}

func at(b Build, d time.Duration) time.Time { return b.Start.Add(d) }

// ---- archives

func (m *maker) files(dir string) {
	m.write(filepath.Join(dir, "a.txt"), "the first file\n")
	m.write(filepath.Join(dir, "b.txt"), "the second file\n")
	m.touch(filepath.Join(dir, "a.txt"), 1700000000)
	m.touch(filepath.Join(dir, "b.txt"), 1700000000)
}

// packed runs a command in a folder with two files, after a change to one side.
func packed(out string, env []string, args []string, change func(m *maker), env2 []string, args2 []string) func(m *maker) ([]byte, []byte, Context) {
	return func(m *maker) ([]byte, []byte, Context) {
		m.files("d")
		m.run("d", env, args[0], args[1:]...)
		a := m.read(filepath.Join("d", out))
		if err := os.Remove(m.path("d", out)); err != nil {
			m.Fatal(err)
		}
		if change != nil {
			change(m)
		}
		m.run("d", env2, args2[0], args2[1:]...)
		return a, m.read(filepath.Join("d", out)), Context{}
	}
}

func later(m *maker) { m.touch("d/b.txt", 1700009999) }

var tarArgs = []string{"tar", "-cf", "x.tar", "--format=gnu", "--numeric-owner", "--owner=0", "--group=0", "a.txt", "b.txt"}

func with(args []string, more ...string) []string {
	return append(append(append([]string{}, args[:3]...), more...), args[3:]...)
}

// ---- images

type member struct {
	name string
	data []byte
	typ  byte
	link string
}

func tarOf(m *maker, list ...member) []byte {
	m.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range list {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: tar.TypeReg, Linkname: f.link, ModTime: time.Unix(1700000000, 0)}
		if f.typ != 0 {
			h.Typeflag = f.typ
		}
		if err := w.WriteHeader(h); err != nil {
			m.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			m.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		m.Fatal(err)
	}
	return out.Bytes()
}

func gz(m *maker, p []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(p); err != nil {
		m.Fatal(err)
	}
	if err := w.Close(); err != nil {
		m.Fatal(err)
	}
	return out.Bytes()
}

// layout is an OCI archive with one image. The functions may change the documents.
func layoutOf(m *maker, layers [][]byte, config, manifest, index func(doc map[string]any)) []byte {
	m.Helper()
	var list []member
	put := func(p []byte, mediaType string) map[string]any {
		d := digest.FromBytes(p)
		list = append(list, member{name: "blobs/sha256/" + d.Encoded(), data: p})
		return map[string]any{"mediaType": mediaType, "digest": d.String(), "size": len(p)}
	}
	encode := func(doc map[string]any, change func(map[string]any)) []byte {
		if change != nil {
			change(doc)
		}
		p, err := json.Marshal(doc)
		if err != nil {
			m.Fatal(err)
		}
		return p
	}
	const oci = "application/vnd.oci.image."
	var descs []any
	for _, l := range layers {
		descs = append(descs, put(l, oci+"layer.v1.tar+gzip"))
	}
	c := put(encode(map[string]any{"os": "linux", "architecture": "amd64", "created": "2026-11-22T01:00:05Z",
		"history": []any{map[string]any{"created_by": "COPY x /"}}, "rootfs": map[string]any{"type": "layers"}}, config), oci+"config.v1+json")
	mf := put(encode(map[string]any{"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": c, "layers": descs}, manifest), oci+"manifest.v1+json")
	ix := encode(map[string]any{"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": []any{mf}}, index)
	return tarOf(m, append([]member{{name: "oci-layout", data: []byte(`{"imageLayoutVersion":"1.0.0"}`)}, {name: "index.json", data: ix}}, list...)...)
}

func layerOf(m *maker, list ...member) [][]byte { return [][]byte{gz(m, tarOf(m, list...))} }

func set(key string, v any) func(map[string]any) { return func(d map[string]any) { d[key] = v } }

var readme = member{name: "usr/share/readme", data: []byte("hello\n")}

// attested adds a manifest of an attestation to an index.
func attested(started string) func(map[string]any) {
	return func(d map[string]any) {
		d["manifests"] = append(d["manifests"].([]any), map[string]any{"mediaType": "application/vnd.oci.image.manifest.v1+json",
			"digest": digest.FromString(started).String(), "size": 7, "annotations": map[string]any{"vnd.docker.reference.type": "attestation-manifest"}})
	}
}

// ---- Windows

// exe is a PE file, as small as it can be, with a CodeView record.
func exe(stamp uint32, guid string) []byte {
	le := binary.LittleEndian
	p := make([]byte, 0x600)
	copy(p, "MZ")
	le.PutUint32(p[60:], 0x80)
	copy(p[0x80:], "PE\x00\x00")
	coff := p[0x84:]
	le.PutUint16(coff, 0x8664)
	le.PutUint16(coff[2:], 1)          // sections
	le.PutUint32(coff[4:], stamp)      // TimeDateStamp
	le.PutUint16(coff[16:], 240)       // size of the optional header
	opt := coff[20:]                   //
	le.PutUint16(opt, 0x20b)           // PE32+
	le.PutUint32(opt[108:], 16)        // data directories
	le.PutUint32(opt[112+48:], 0x1000) // debug directory
	le.PutUint32(opt[112+52:], 28)
	sec := opt[240:]
	copy(sec, ".rdata")
	le.PutUint32(sec[8:], 0x200)
	le.PutUint32(sec[12:], 0x1000)
	le.PutUint32(sec[16:], 0x200)
	le.PutUint32(sec[20:], 0x400)
	dbg := p[0x400:]
	le.PutUint32(dbg[4:], stamp)
	le.PutUint32(dbg[12:], 2)
	le.PutUint32(dbg[16:], 40)
	le.PutUint32(dbg[20:], 0x1040)
	le.PutUint32(dbg[24:], 0x440)
	copy(p[0x440:], "RSDS"+guid+"\x01\x00\x00\x00demo.pdb\x00")
	return p
}

// ---- GPU

const kernelPTX = `.version 8.0
.target sm_80
.address_size 64
.file 1 "%s"
.visible .entry k(.param .u64 p)
{
  .reg .b64 %%rd<3>;
  .reg .b32 %%r<2>;
  .loc 1 1 0
  ld.param.u64 %%rd1, [p];
  cvta.to.global.u64 %%rd2, %%rd1;
  mov.u32 %%r1, 42;
  .loc 1 2 0
  st.global.u32 [%%rd2], %%r1;
  ret;
}
`

func (m *maker) cubin(mtime int64) []byte {
	m.write("k.cu", "// a kernel\n")
	m.touch("k.cu", mtime)
	m.write("k.ptx", fmt.Sprintf(kernelPTX, m.path("k.cu")))
	m.run(".", nil, "ptxas", "-arch=sm_80", "-lineinfo", "k.ptx", "-o", "k.cubin")
	return m.read("k.cubin")
}

func (m *maker) fatbin(mode string) []byte {
	m.cubin(1700000000)
	m.run(".", nil, "fatbinary", "--create=k.fatbin", "-64", "--compress-all", "--compress-mode="+mode,
		"--image3=kind=elf,sm=80,file=k.cubin", "--image3=kind=ptx,sm=80,file=k.ptx")
	return m.read("k.fatbin")
}

func (m *maker) fatbinOf(mtime int64) []byte {
	m.cubin(mtime)
	m.run(".", nil, "fatbinary", "--create=k.fatbin", "-64", "--compress-all", "--image3=kind=elf,sm=80,file=k.cubin")
	return m.read("k.fatbin")
}

// ---- others

// pyc is a compiled Python module: a header and some code.
func pyc(mtime uint32) []byte {
	p := []byte{0xcb, 0x0d, '\r', '\n', 0, 0, 0, 0}
	p = binary.LittleEndian.AppendUint32(p, mtime)
	p = binary.LittleEndian.AppendUint32(p, 12)
	return append(p, "\xe3\x00\x00\x00\x00\x00\x00\x00code"...)
}

// wasmOf is a WebAssembly module with a custom section.
func wasmOf(name, content string) []byte {
	body := append([]byte{byte(len(name))}, name+content...)
	return append([]byte("\x00asm\x01\x00\x00\x00\x00"+string(rune(len(body)))), body...)
}

func plain(a, b []byte, c Context) func(m *maker) ([]byte, []byte, Context) {
	return func(*maker) ([]byte, []byte, Context) { return a, b, c }
}

func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// blob is raw bytes with a value between.
func blob(v []byte) []byte {
	return append(append([]byte("\x00\x01\x02\x03start\x00\x00\x00"), v...), "\x00\x00\x00\x00end\x00"...)
}

func zipOf(m *maker, local int, extra []byte) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: "a.txt", Method: zip.Store, Extra: extra}
	//lint:ignore SA1019 the field that a zip has
	h.ModifiedDate, h.ModifiedTime = 0x576e, uint16(local<<11)
	f, err := w.CreateHeader(h)
	if err != nil {
		m.Fatal(err)
	}
	if _, err := f.Write([]byte("hello\n")); err != nil {
		m.Fatal(err)
	}
	if err := w.Close(); err != nil {
		m.Fatal(err)
	}
	return out.Bytes()
}
