package verify

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

// verdictKey identifies everything that a verdict depends on: the plans, what
// is made of their output, and the axes. A verdict on kept dependencies never stands for
// one that compiled all of it: that a build kept none is its own word.
func (prep *Prepared) verdictKey(opt Options, kept bool) digest.Digest {
	type entry struct {
		Schema   int
		Plans    []digest.Digest
		Config   any
		Profile  string `json:",omitempty"`
		Runtimes map[string]digest.Digest
		Epoch    int64
		Version  string
		Commit   string
		Dirty    bool
		Vary     []plan.Axis
		Writer   string
		Engine   string
		Jobs     int
		Kept     bool `json:",omitempty"`
	}
	e := entry{Kept: kept, Schema: verdict.Schema, Config: prep.Project.Config, Profile: prep.Project.Profile, Runtimes: map[string]digest.Digest{}, Epoch: prep.Project.Source.Epoch,
		Version: prep.Project.Version(), Commit: prep.Project.Source.Commit, Dirty: prep.Project.Source.Dirty, Vary: opt.Vary,
		Writer: layer.CompressorVersion + " " + opt.Version, Engine: opt.Engine, Jobs: opt.Jobs}
	for _, p := range prep.Plans {
		e.Plans = append(e.Plans, p.Digest())
	}
	for name, im := range prep.Inputs.Runtimes {
		e.Runtimes[name] = im.Desc.Digest
	}
	data, err := json.Marshal(e)
	if err != nil {
		panic(err) // only strings and numbers
	}
	return digest.FromBytes(data)
}

// recall finds the verdict of an earlier run. A stored verdict that can't be
// read is as good as none.
func (r *Runner) recall(key digest.Digest) *verdict.Verdict {
	data, ok := r.Tools.Store.Recall("verdict", key)
	if !ok {
		return nil
	}
	v, err := verdict.Parse(data)
	if err != nil {
		return nil
	}
	when := v.Reached
	v.FromCache = &when
	return v
}

func (r *Runner) remember(ctx context.Context, key digest.Digest, v *verdict.Verdict) error {
	fresh := *v
	fresh.FromCache, fresh.Reference = nil, nil
	fresh.Settle()
	data, err := fresh.JSON()
	if err != nil {
		return fmt.Errorf("storing the verdict: %w", err)
	}
	return r.Tools.Store.Remember(ctx, "verdict", key, data)
}
