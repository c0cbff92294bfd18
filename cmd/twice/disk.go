package main

import (
	"github.com/craton-co/twice/internal/cache"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
)

// What a build takes beside its inputs, as a multiple of their compressed size.
// Measured: a builder of 331 MB made the engine's state 1.3 GB, and crates of 5 MB
// a target directory of about 200 MB.
const (
	unpacked = 4
	compiled = 40
)

// diskNeeded estimates what builds of a project take of the disk, with the engine
// still empty: that is the most.
func diskNeeded(prep *verify.Prepared, builds int) int64 {
	in := prep.Inputs
	need := unpacked * layersOf(in.Builder)
	if len(in.GitRepos) > 0 {
		need += unpacked * layersOf(in.GitBuilder)
	}
	each := unpacked*layersOf(in.Source) + (unpacked+compiled)*layersOf(in.Vendor)
	return need + int64(builds*len(prep.Plans))*each
}

func layersOf(im image.Image) int64 {
	var n int64
	for _, l := range im.Manifest.Layers {
		n += l.Size
	}
	return n
}

// sayDisk says what the builds need, before they run.
func sayDisk(p *progress) func(*verify.Prepared, int) {
	return func(prep *verify.Prepared, builds int) {
		dir, err := cacheDir("engine")
		if err != nil {
			return
		}
		free, err := cache.Free(dir)
		if err != nil {
			return // not known on this system
		}
		need := diskNeeded(prep, builds)
		if free < need {
			p.message("warning: the builds need about %s of disk, and %s are free in %s: `twice store gc --keep 5GB`, or TWICE_CACHE on a larger disk", verdict.Size(need), verdict.Size(free), dir)
			return
		}
		p.message("the builds need about %s of disk at most, %s are free", verdict.Size(need), verdict.Size(free))
	}
}
