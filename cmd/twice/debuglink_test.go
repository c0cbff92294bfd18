package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"hash/crc32"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// debug-link BINARY DEBUG fails unless the binary names the file, with its CRC,
// has no debug information itself, and the file has.
func cmdDebugLink(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: debug-link BINARY DEBUG")
	}
	bin, err := elf.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer bin.Close()
	debug, err := elf.Open(ts.MkAbs(args[1]))
	ts.Check(err)
	defer debug.Close()
	if bin.Section(".debug_info") != nil || debug.Section(".debug_info") == nil {
		ts.Fatalf("the debug information is not in %s alone", args[1])
	}
	s := bin.Section(".gnu_debuglink")
	if s == nil {
		ts.Fatalf("%s has no .gnu_debuglink", args[0])
	}
	data, err := s.Data()
	ts.Check(err)
	name, _, _ := bytes.Cut(data, []byte{0})
	sum := crc32.ChecksumIEEE([]byte(ts.ReadFile(args[1])))
	if got := binary.LittleEndian.Uint32(data[len(data)-4:]); string(name) != filepath.Base(args[1]) || got != sum {
		ts.Fatalf("%s names %s with CRC %08x, which is %08x", args[0], name, got, sum)
	}
}
