package pe

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/google/go-cmp/cmp"
)

// Offsets in the file that sample makes.
const (
	atPE       = 0x80
	atOptional = atPE + 24
	atExport   = 0x400
	atResource = 0x440
	atLoad     = 0x4c0
	atDebug    = 0x500
	atData     = 0x600
	rva        = 0x1000 - 0x400 // of an offset in the section
)

// sample is a program of 64 bits (or 32) with everything in it that is
// cleared; stamp stands for a time, and its bytes for hashes.
func sample(bits int, stamp uint32) []byte {
	b := make([]byte, 0x800)
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], atPE)
	copy(b[atPE:], "PE\x00\x00\x64\x86\x01\x00")
	le.PutUint32(b[atPE+8:], stamp)
	dirs, size := atOptional+112, 112+16*8
	le.PutUint16(b[atOptional:], 0x20b)
	if bits == 32 {
		dirs, size = atOptional+96, 96+16*8
		le.PutUint16(b[atOptional:], 0x10b)
	}
	le.PutUint16(b[atPE+20:], uint16(size))
	le.PutUint32(b[dirs-4:], 16)
	table := atOptional + size
	copy(b[table:], ".rdata")
	le.PutUint32(b[table+8:], 0x400)
	le.PutUint32(b[table+12:], 0x1000)
	le.PutUint32(b[table+16:], 0x400)
	le.PutUint32(b[table+20:], 0x400)
	dir := func(i, at, size int) {
		le.PutUint32(b[dirs+i*8:], uint32(at+rva))
		le.PutUint32(b[dirs+i*8+4:], uint32(size))
	}
	dir(dirExport, atExport, 40)
	le.PutUint32(b[atExport+4:], stamp)
	dir(dirResource, atResource, 0x80)
	le.PutUint32(b[atResource+4:], stamp)
	le.PutUint16(b[atResource+14:], 2)
	le.PutUint32(b[atResource+16+4:], 0x8000_0020) // another directory
	le.PutUint32(b[atResource+24+4:], 0x60)        // data
	le.PutUint32(b[atResource+0x20+4:], stamp)
	dir(dirLoadConfig, atLoad, 64)
	le.PutUint32(b[atLoad:], 64)
	le.PutUint32(b[atLoad+4:], stamp)
	hash := sha256.Sum256(le.AppendUint32(nil, stamp))
	entries := []struct {
		kind uint32
		data []byte
	}{
		{typeCodeView, append(append([]byte("RSDS"), hash[:16]...), "\x01\x00\x00\x00C:\\build\\a.pdb\x00"...)},
		{typeCodeView, append(le.AppendUint32([]byte("NB10\x00\x00\x00\x00"), stamp), "\x01\x00\x00\x00b.pdb\x00"...)},
		{typeRepro, append([]byte{32, 0, 0, 0}, hash[:]...)},
		{typePDBChecksum, append([]byte("SHA256\x00"), hash[:]...)},
		{13, []byte("PGU\x00 stays")},
	}
	dir(dirDebug, atDebug, len(entries)*debugEntry)
	at := atData
	for i, e := range entries {
		x := b[atDebug+i*debugEntry:]
		le.PutUint32(x[4:], stamp)
		le.PutUint32(x[12:], e.kind)
		le.PutUint32(x[16:], uint32(len(e.data)))
		le.PutUint32(x[20:], uint32(at+rva))
		le.PutUint32(x[24:], uint32(at))
		at += copy(b[at:], e.data)
	}
	le.PutUint32(b[atOptional+64:], stamp)
	return b
}

func TestNormalize(t *testing.T) {
	for bits, golden := range goldens {
		a, b := sample(bits, 1700000000), sample(bits, 1800000000)
		if bytes.Equal(a, b) {
			t.Fatal("the samples don't differ")
		}
		fields, err := Normalize(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Normalize(b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%d bits: they still differ", bits)
		}
		var names []string
		for _, f := range fields {
			names = append(names, f.Name)
		}
		want := []string{
			"time stamp", "time stamp of the export directory", "time stamp of the load configuration",
			"time stamp of a resource directory", "time stamp of a resource directory",
			"time stamp of the debug directory", "debug GUID", "time stamp of the debug directory", "debug signature",
			"time stamp of the debug directory", "reproducibility hash", "time stamp of the debug directory", "checksum of the PDB",
			"time stamp of the debug directory", "checksum",
		}
		if d := cmp.Diff(want, names); d != "" {
			t.Error(d)
		}
		for _, stays := range []string{"RSDS", "C:\\build\\a.pdb", "NB10", "b.pdb", "SHA256", "PGU\x00 stays"} {
			if !bytes.Contains(a, []byte(stays)) {
				t.Errorf("%q is gone", stays)
			}
		}
		if again, err := Normalize(b); err != nil || len(again) > 0 || !bytes.Equal(a, b) {
			t.Errorf("a second time: %v, %v", again, err)
		}
		sum := sha256.Sum256(a)
		if hex.EncodeToString(sum[:]) != golden {
			t.Errorf("%d bits: SHA-256 %x, want %s", bits, sum, golden)
		}
	}
}

// SHA-256 of the normalized samples, by bits.
var goldens = map[int]string{
	64: "ca3918d974c6c0b36ba3f135ab661ddd9b5f329ece6102cd0512a36e8ea603bd",
	32: "0926699a2a0eb0192fe75d51aa576201f0269de65b550403beb25453770261b1",
}

// The sums of words with carries, and the length, by hand.
func TestChecksum(t *testing.T) {
	data := []byte{0xff, 0xff, 0x02, 0x00, 9, 9, 9, 9, 0x01}
	if got, want := Checksum(data, 4), uint32(0xffff+2-0xffff+1+9); got != want {
		t.Errorf("%#x, want %#x", got, want)
	}
}

func TestRefuses(t *testing.T) {
	le := binary.LittleEndian
	dir := func(i int) int { return atOptional + 112 + i*8 }
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		want   string
	}{
		"no program":        {func(b []byte) []byte { return []byte("#!/bin/sh\n") }, "does not begin with MZ"},
		"dos":               {func(b []byte) []byte { copy(b[atPE:], "LE"); return b }, "program for DOS"},
		"cut in the stub":   {func(b []byte) []byte { return b[:0x20] }, "program for DOS"},
		"cut in the header": {func(b []byte) []byte { return b[:atOptional+1] }, "ends before"},
		"cut in a section":  {func(b []byte) []byte { return b[:atDebug+8] }, "ends before"},
		"magic":             {func(b []byte) []byte { b[atOptional] = 7; return b }, "unknown magic"},
		"short":             {func(b []byte) []byte { b[atPE+20] = 8; return b }, "too short"},
		"sections":          {func(b []byte) []byte { le.PutUint16(b[atPE+6:], 97); return b }, "97 sections"},
		"no section": {func(b []byte) []byte { le.PutUint32(b[dir(dirExport):], 0x9000); return b },
			"export directory: the address 0x9000 is in no section"},
		"signed":        {func(b []byte) []byte { le.PutUint32(b[dir(dirCertificate)+4:], 8); return b }, "Authenticode"},
		"two meanings":  {func(b []byte) []byte { le.PutUint32(b[dir(dirExport):], atResource+rva+8); return b }, "two meanings"},
		"a debug entry": {func(b []byte) []byte { le.PutUint32(b[atDebug+24:], 0x7f0); return b }, "not in the file"},
		"a wide tree":   {func(b []byte) []byte { le.PutUint16(b[atResource+14:], 0xffff); return b }, "ends before"},
	} {
		b := c.change(sample(64, 1))
		before := bytes.Clone(b)
		_, err := Normalize(b)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if !bytes.Equal(b, before) {
			t.Errorf("%s: it was changed", name)
		}
		if name == "signed" && (!errors.Is(err, ErrSigned) || fault.HintOf(err) == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever comes in, what comes out stays as it is, and no other byte changed.
func FuzzNormalize(f *testing.F) {
	mutate.Add(f, sample(64, 1700000000))
	mutate.Add(f, sample(32, 1))
	mutate.Add(f, []byte("MZ"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		fields, err := Normalize(data)
		if err != nil {
			if !bytes.Equal(before, data) {
				t.Error("refused and changed")
			}
			return
		}
		once := bytes.Clone(data)
		for _, x := range fields {
			copy(before[x.Offset:x.Offset+x.Size], data[x.Offset:])
		}
		if !bytes.Equal(before, data) {
			t.Error("a byte changed that no field has")
		}
		if again, err := Normalize(data); err != nil || len(again) > 0 || !bytes.Equal(once, data) {
			t.Errorf("not stable: %v, %v", again, err)
		}
	})
}
