package lock

import (
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/cuda"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

func withCUDA() *Lock {
	l := example()
	l.CUDA = &CUDA{Vouched: Unsigned, Pin: cuda.Pin{Form: cuda.Redist, Version: "12.9.1",
		Wheels: []cuda.File{{Name: "libclang", Version: "18.1.1", Path: "libclang-18.1.1-py2.py3-none-manylinux2010_x86_64.whl", Size: 3, SHA256: digest.FromString("clang")}},
		Archives: []cuda.File{{Name: "cuda_nvcc", Version: "12.9.86", Size: 4, SHA256: digest.FromString("nvcc"),
			Path: "cuda_nvcc/linux-x86_64/cuda_nvcc-linux-x86_64-12.9.86-archive.tar.xz"}},
	}}
	return l
}

func TestCUDARoundTrip(t *testing.T) {
	l := withCUDA()
	got, err := Parse(l.Format())
	if err != nil {
		t.Fatalf("%v\n%s", err, l.Format())
	}
	if d := cmp.Diff(l, got); d != "" {
		t.Error(d)
	}
	const want = "sha256:23b57bb73732acd4c5de62c2c75f780cb81bfe0e90234381ac4a32558e9cad14"
	if got := l.Digest(); got != want {
		t.Errorf("the lock's text has changed: %s\n%s", got, l.Format())
	}
}

func TestCUDAContradictions(t *testing.T) {
	for want, change := range map[string]func(*CUDA){
		"not a form":                  func(c *CUDA) { c.Form = "tape" },
		"not the name of a wheel":     func(c *CUDA) { c.Wheels[0].Path = "../x.whl" },
		"is a wheel of libclang==18":  func(c *CUDA) { c.Wheels[0].Version = "17.0.6" },
		"malformed":                   func(c *CUDA) { c.Archives[0].Path = "/etc/passwd" },
		"size or hash of cuda_nvcc":   func(c *CUDA) { c.Archives[0].Size = 0 },
		"size or hash of libclang is": func(c *CUDA) { c.Wheels[0].SHA256 = "sha256:12" },
	} {
		l := withCUDA()
		change(l.CUDA)
		if _, err := Parse(l.Format()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
