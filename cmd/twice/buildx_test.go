package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/sirupsen/logrus"
	"github.com/tonistiigi/fsutil"
)

// buildx DOCKERFILE CONTEXT OUT [NAME=VALUE | NAME=LAYOUT@DIGEST]… builds the default
// target on the daemon at ADDR as docker buildx build does, which only names
// things to the Dockerfile frontend of a BuildKit: a build argument, a named
// context that is an image of an OCI layout. OUT is an OCI archive of the image.
// What the steps print is in buildx-output.
func cmdBuildx(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: buildx DOCKERFILE CONTEXT OUT [NAME=VALUE]…")
	}
	ctx := context.Background()
	logrus.SetLevel(logrus.ErrorLevel)                         // containerd's store warns where a file system has no fs-verity
	file, err := fsutil.NewFS(filepath.Dir(ts.MkAbs(args[0]))) // of $ROOT too: only the file is asked for
	ts.Check(err)
	files, err := fsutil.NewFS(ts.MkAbs(args[1]))
	ts.Check(err)
	attrs := map[string]string{"filename": filepath.Base(args[0])}
	stores := map[string]content.Store{}
	for _, a := range args[3:] {
		name, value, _ := strings.Cut(a, "=")
		layout, digest, isImage := strings.Cut(value, "@")
		if !isImage {
			attrs["build-arg:"+name] = value
			continue
		}
		stores[name], err = contentlocal.NewStore(ts.MkAbs(layout))
		ts.Check(err)
		attrs["context:"+name] = "oci-layout://" + name + "@" + digest
	}
	c, err := client.New(ctx, ts.Getenv("ADDR"))
	ts.Check(err)
	defer c.Close()
	status := make(chan *client.SolveStatus)
	var out bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range status {
			for _, l := range s.Logs {
				out.Write(l.Data)
			}
		}
	}()
	_, err = c.Solve(ctx, nil, client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: attrs, OCIStores: stores,
		LocalMounts: map[string]fsutil.FS{"dockerfile": file, "context": files},
		Exports: []client.ExportEntry{{Type: client.ExporterOCI, Output: func(map[string]string) (io.WriteCloser, error) {
			return os.Create(ts.MkAbs(args[2]))
		}}},
	}, status)
	<-done
	ts.Check(os.WriteFile(ts.MkAbs("buildx-output"), out.Bytes(), 0o644))
	if (err != nil) != neg {
		ts.Fatalf("buildx %s: %v\n%s", args[0], err, &out)
	}
}

// layout-digests DIR sets for each image of an OCI layout a variable of the
// input's name to its digest: BUILDER, VENDOR, RUNTIME.
func cmdLayoutDigests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: layout-digests DIR")
	}
	var ix ocispec.Index
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(args[0], "index.json"))), &ix))
	for _, m := range ix.Manifests {
		name, _, _ := strings.Cut(m.Annotations["io.github.craton-co.twice.input"], "/")
		ts.Setenv(strings.ToUpper(name), m.Digest.String())
	}
}
