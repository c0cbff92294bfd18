// Package engine runs a plan's Dockerfile on BuildKit and hands back one
// directory. It and its subpackage embedded are the only packages of Twice
// that import BuildKit.
//
// # What a run is
//
// A [Job] is the text of a Dockerfile, the name of one of its stages, and
// named inputs. Run solves it through the frontend that is built into every
// BuildKit (dockerfile.v0, platform linux/amd64) and writes what the stage
// holds to the directory Job.Out.
//
//   - Inputs are OCI images in Job.Store; the Dockerfile says `FROM builder`
//     or `--mount=from=source` with their names. The engine asks for their
//     blobs by digest, read-only, through the session of the solve.
//   - There is no build context, and `COPY file /` finds nothing, unless
//     Job.Context names a directory. Inputs that are layers in it (package
//     buildcontext) are how other engines get them.
//   - Nothing is taken from a registry or any other address. The text may not
//     have a `# syntax` line (it would pull an image), and a source policy
//     refuses every source other than the inputs, on remote engines too.
//   - No provenance or SBOM is attested, and nothing is pushed.
//   - In Job.Out every file has the permission bits, the modification time and
//     the link target that it has in the stage. Owners are not kept: all
//     belongs to the user that runs Twice. Extended attributes are kept where
//     the file system has them; callers that need equal bytes look at content,
//     mode and links only.
//
// # Equal steps run once
//
// BuildKit merges equal steps of all solves that run at the same time, and
// takes finished ones from its cache. Two jobs whose steps must both run need
// texts that differ in each such step, if only by a comment in the shell
// command; NoCache makes a job ignore what ran before it. NoCache alone does
// not keep two concurrent jobs apart.
package engine

import (
	"context"
	"time"

	"github.com/moby/buildkit/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/store"
)

// Platform is the one platform that jobs are built for.
const Platform = "linux/amd64"

// A Job is one solve of one Dockerfile.
type Job struct {
	ID         string // names the job in messages: "A"
	Dockerfile []byte
	Target     string                        // stage to export; "" is the last one
	Inputs     map[string]ocispec.Descriptor // named contexts: image manifests or indexes in Store
	Store      *store.Store
	Context    string // directory that is the build context; "": an empty one
	Out        string // directory to export to: made if missing, must be empty
	NoCache    bool
	Hostname   string            // host name that steps see; "" is BuildKit's own
	BuildArgs  map[string]string // values of the Dockerfile's ARGs
}

// An Engine runs jobs, several at a time.
type Engine interface {
	// Run runs job and returns when its output is complete in job.Out. It
	// sends progress to status, if that is not nil, and always closes it; the
	// receiver has to drain it. A step that fails gives a *StepError. When
	// ctx ends Run returns its cause.
	Run(ctx context.Context, job Job, status chan<- *client.SolveStatus) error
	Info() Info
	Close() error
}

// Info says what an engine is. It is part of a verdict.
type Info struct {
	Kind     string // "embedded", "rootless" or "remote"
	Address  string // of a remote engine, without credentials
	Worker   string // what a remote engine calls the worker that builds
	BuildKit string // BuildKit's version
	Revision string // BuildKit's commit
	Runtime  string // version of runc, of an embedded engine

	// OneUser is why steps can have no other user than root; empty if they can.
	OneUser string

	// Contained is true when steps can't use up the machine: number of
	// processes and memory are limited. Containment says how or why not.
	Contained   bool
	Containment string

	Start time.Duration // time the start of an embedded engine took
}
