package resolve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/cuda"
	"github.com/craton-co/twice/internal/fault"
	"github.com/opencontainers/go-digest"
)

// A locked wheel that no index has is had from one that is set.
func TestWheelHint(t *testing.T) {
	const name = "libclang-18.1.1-py2.py3-none-manylinux2010_x86_64.whl"
	sum := digest.FromString("a wheel")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<a href=\"/%s#sha256=%s\">%[1]s</a>", name, sum.Encoded())
	}))
	defer srv.Close()
	pin := cuda.Pin{Wheels: []cuda.File{{Name: "libclang", Version: "18.1.1", Path: name, Size: 7, SHA256: sum}}}
	locate := func(m address.Mirrors) error {
		tools := (*dist)(nil).tools(t)
		r, err := address.New(m, func(k string) string { return map[string]string{"TWICE_NO_DEFAULTS": "1"}[k] })
		if err != nil {
			t.Fatal(err)
		}
		tools.Resolver = r
		return LocateWheels(t.Context(), tools, CUDAItems(tools, pin), pin)
	}
	// follows: resolve: pip's configuration names the index; or set TWICE_MIRROR_PYPI
	if err := locate(address.Mirrors{}); !strings.Contains(fault.HintOf(err), "or set TWICE_MIRROR_PYPI to an index") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if err := locate(address.Mirrors{PyPI: []string{srv.URL}}); err != nil {
		t.Error(err)
	}
}
