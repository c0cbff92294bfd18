package mutate

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// damaged is how many versions of each seed are tried without a fuzzer.
const damaged = 40

// dayVariable names the day, counted from 1970 on, whose damage is tried: that of today by default.
const dayVariable = "TWICE_TEST_DAY"

// Add adds a seed to a fuzz target's corpus, and with it damaged versions of it:
// others on each day, so that a change is tested with more than the inputs that
// somebody thought of, and the same ones all day. Texts and bytes are damaged, other arguments stay.
func Add(f *testing.F, args ...any) {
	f.Helper()
	f.Add(args...)
	day := time.Now().Unix() / 86400
	if v := os.Getenv(dayVariable); v != "" {
		var err error
		if day, err = strconv.ParseInt(v, 10, 64); err != nil {
			f.Fatalf("%s: %v", dayVariable, err)
		}
	}
	h := fnv.New64a()
	for _, a := range args {
		h.Write(bytesOf(a))
	}
	r := rand.New(rand.NewPCG(uint64(day), h.Sum64()))
	for range damaged {
		other := make([]any, len(args))
		copy(other, args)
		at := r.IntN(len(args))
		switch a := args[at].(type) {
		case string:
			other[at] = string(Bytes(r, []byte(a)))
		case []byte:
			other[at] = Bytes(r, a)
		}
		f.Add(other...)
	}
	f.Cleanup(func() {
		if f.Failed() {
			f.Logf("%s=%d has the same damaged seeds again", dayVariable, day)
		}
	})
}

func bytesOf(a any) []byte {
	switch a := a.(type) {
	case string:
		return []byte(a)
	case []byte:
		return a
	}
	return nil
}

// AddCorpus adds damaged versions of what a target has in testdata/fuzz, of one argument of bytes.
func AddCorpus(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "fuzz", f.Name(), "*"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		// As package testing writes it: a line for the version, one for each argument.
		_, value, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		data, err := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(value, "[]byte("), ")"))
		if err != nil {
			f.Fatalf("%s: %v", name, err)
		}
		Add(f, []byte(data))
	}
}
