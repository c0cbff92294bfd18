package lock

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/cuda"
	"github.com/opencontainers/go-digest"
)

const header = `# Every input of this build, by hash. Written by ` + "`twice lock`" + `; a change by hand is refused.
# Crates are locked by Cargo.lock.
version = 1
`

// Format writes the lock. Equal locks are equal bytes.
func (l *Lock) Format() []byte {
	var b strings.Builder
	b.WriteString(header)
	fmt.Fprintf(&b, "inputs = %q\n", l.Inputs)
	t := l.Toolchain
	fmt.Fprintf(&b, "\n[toolchain]\nchannel = %q\ndate = %q\nrustc = %q\nhost = %q\n", t.Channel, t.Date, t.Rustc, t.Host)
	if t.Tree != "" {
		fmt.Fprintf(&b, "tree = %q\n", t.Tree)
	}
	fmt.Fprintf(&b, "vouched = %q\ncomponents = [\n", t.Vouched)
	for _, c := range t.Components {
		fmt.Fprintf(&b, "  { name = %q, target = %q, path = %q, sha256 = %q },\n", c.Name, c.Target, c.Path, c.SHA256.Encoded())
	}
	b.WriteString("]\n")
	writeCUDA(&b, l.CUDA)
	images := slices.SortedFunc(slices.Values(l.Images), func(x, y Image) int { return cmp.Compare(x.Name, y.Name) })
	for _, im := range images {
		writeImage(&b, im)
	}
	for _, x := range slices.SortedFunc(slices.Values(l.Bases), func(x, y Base) int { return cmp.Compare(x.Name, y.Name) }) {
		fmt.Fprintf(&b, "\n[[base]]\nname = %q\ndigest = %q\nvouched = %q\n", x.Name, x.Digest, x.Vouched)
	}
	for _, g := range slices.SortedFunc(slices.Values(l.Git), func(x, y Git) int {
		return cmp.Or(cmp.Compare(x.URL, y.URL), cmp.Compare(x.Commit, y.Commit))
	}) {
		fmt.Fprintf(&b, "\n[[git]]\nurl = %q\ncommit = %q\ntree = %q\n", g.URL, g.Commit, g.Tree)
	}
	for _, r := range slices.SortedFunc(slices.Values(l.Reviewed), func(x, y Reviewed) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Version, y.Version), cmp.Compare(x.Code, y.Code))
	}) {
		fmt.Fprintf(&b, "\n[[reviewed]]\nname = %q\nversion = %q\nfrom = %q\ncode = %q\n", r.Name, r.Version, r.From, r.Code)
		writeDid(&b, r.Did)
	}
	b.WriteByte('\n')
	body := b.String()
	return []byte(body + checkTable(body))
}

// writeDid writes strings of TOML: what a file is called may have anything in it.
func writeDid(b *strings.Builder, did []string) {
	if did == nil {
		return
	}
	b.WriteString("did = [\n")
	for _, d := range did {
		fmt.Fprintf(b, "  %s,\n", tomlString(d))
	}
	b.WriteString("]\n")
}

func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteString("\\" + string(r))
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

func writeCUDA(b *strings.Builder, c *CUDA) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "\n[cuda]\nform = %q\nversion = %q\nvouched = %q\n", c.Form, c.Version, c.Vouched)
	for _, x := range []struct {
		key, place string
		files      []cuda.File
	}{{"wheels", "file", c.Wheels}, {"archives", "path", c.Archives}} {
		fmt.Fprintf(b, "%s = [\n", x.key)
		for _, f := range x.files {
			fmt.Fprintf(b, "  { name = %q, version = %q, %s = %q, size = %d, sha256 = %q },\n", f.Name, f.Version, x.place, f.Path, f.Size, f.SHA256.Encoded())
		}
		b.WriteString("]\n")
	}
}

func writeImage(b *strings.Builder, im Image) {
	fmt.Fprintf(b, "\n[[image]]\nname = %q\ndefinition = %q\nsuite = %q\nrelease = %q\ndate = %s\ncomponent = %q\narchitecture = %q\n",
		im.Name, im.Definition, im.Suite, im.Release, im.Date.UTC().Format(time.RFC3339), im.Component, im.Architecture)
	r := im.InRelease
	fmt.Fprintf(b, "in-release = { sha256 = %q, signed-by = %q, key = %q, signer = %q, signed-at = %s }\n",
		r.SHA256, r.SignedBy, r.Key, r.Signer, r.SignedAt.UTC().Format(time.RFC3339))
	fmt.Fprintf(b, "index = { path = %q, size = %d, sha256 = %q }\npackages = [\n", im.Index.Path, im.Index.Size, im.Index.SHA256)
	for _, p := range im.Packages {
		groups := ""
		if len(p.Groups) > 0 {
			groups = fmt.Sprintf("groups = [%s], ", quotedList(p.Groups))
		}
		fmt.Fprintf(b, "  { name = %q, version = %q, architecture = %q, source = %q, %spath = %q, size = %d, sha256 = %q },\n",
			p.Name, p.Version, p.Architecture, p.Source, groups, p.Path, p.Size, p.SHA256)
	}
	b.WriteString("]\n")
}

func quotedList(s []string) string {
	q := make([]string, len(s))
	for i := range s {
		q[i] = strconv.Quote(s[i])
	}
	return strings.Join(q, ", ")
}

// Digest identifies the lock by its canonical text.
func (l *Lock) Digest() digest.Digest { return digest.FromBytes(l.Format()) }

const checkHeader = "[check]\n"

func checkTable(body string) string {
	return checkHeader + "lines = " + strconv.Quote(lineChecks(body)) + "\nwhole = " + strconv.Quote(digest.FromString(body).Encoded()) + "\n"
}

// lineChecks gives two base64 digits for each line.
func lineChecks(body string) string {
	var b strings.Builder
	for line := range strings.Lines(body) {
		sum := sha256.Sum256([]byte(strings.TrimSuffix(line, "\n")))
		b.WriteString(base64.RawURLEncoding.EncodeToString(sum[:2])[:2])
	}
	return b.String()
}
