package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/store"
)

// Machine is what a step that an engine runs sees of the machine below it: the
// engine's word, and no more than that.
type Machine struct {
	Kernel string // "Linux 6.18.44 #1 SMP …"
	CPU    string // "Intel(R) Xeon(R) Processor"
	// Boot is the kernel's identifier of its own start: two engines with the
	// same one run on one kernel.
	Boot string
}

// machineScript leaves what it can find out; none of it is an error.
const machineScript = `uname -srv > /machine-kernel; grep -m1 "model name" /proc/cpuinfo > /machine-cpu; cat /proc/sys/kernel/random/boot_id > /machine-boot; true`

// AskMachine runs a step in an image that has a shell, and reads what it found.
func AskMachine(ctx context.Context, e Engine, st *store.Store, shell ocispec.Descriptor) (Machine, error) {
	var m Machine
	dir, err := os.MkdirTemp("", "twice-machine-")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	id := make([]byte, 8)
	rand.Read(id)
	// The comment makes it a step of its own: an answer of an earlier boot is none.
	text := fmt.Sprintf("FROM shell AS ask\nRUN --network=none env -i PATH=/usr/bin:/bin sh -c '%s # %s'\nFROM scratch\nCOPY --from=ask /machine-* /\n", machineScript, hex.EncodeToString(id))
	err = e.Run(ctx, Job{
		ID: "machine", Dockerfile: []byte(text), Inputs: map[string]ocispec.Descriptor{"shell": shell},
		Store: st, Out: filepath.Join(dir, "out"), NoCache: true,
	}, nil)
	if err != nil {
		return m, fmt.Errorf("asking for its machine: %w", err)
	}
	root, err := os.OpenRoot(filepath.Join(dir, "out"))
	if err != nil {
		return m, err
	}
	defer root.Close()
	for name, at := range map[string]*string{"kernel": &m.Kernel, "cpu": &m.CPU, "boot": &m.Boot} {
		*at = firstLine(root.FS(), "machine-"+name)
	}
	if _, model, ok := strings.Cut(m.CPU, ":"); ok {
		m.CPU = strings.TrimSpace(model)
	}
	return m, nil
}

// firstLine is at most 200 characters of a file that an engine sent.
func firstLine(files fs.FS, name string) string {
	f, err := files.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 200)
	n, _ := f.Read(b)
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	return strings.ToValidUTF8(strings.TrimSpace(line), "")
}
