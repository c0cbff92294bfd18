package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/craton-co/twice/internal/verdict"
)

// The parts of SARIF 2.1.0 that are used, by the names of its chapter 3.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		Properties  map[string]string `json:"properties,omitempty"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string      `json:"id"`
		Short   sarifText   `json:"shortDescription"`
		Help    *sarifText  `json:"help,omitempty"`
		Default sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		End           string              `json:"endTimeUtc"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		Rule         string            `json:"ruleId"`
		Index        int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

// renderSARIF has a result for each cause, for each artefact without one, and
// for each warning. A result lies where its cause says, if that is a file of the
// workspace, else at the workspace's Cargo.toml: code hosts take no result
// without a file.
func renderSARIF(v *verdict.Verdict) ([]byte, error) {
	p := newPage(v)
	s := &sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "Twice", Version: p.Twice, InformationURI: "https://github.com/craton-co/twice", Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{Successful: v.Word != verdict.NoVerdict, End: v.Reached.UTC().Format("2006-01-02T15:04:05Z")}},
		Results:     []sarifResult{},
		Properties:  map[string]string{"verdict": p.Word},
	}
	if v.Image != "" {
		s.Properties["image"] = string(v.Image)
	}
	if v.Word == verdict.NoVerdict {
		s.Invocations[0].Notifications = []sarifNotification{{"error", sarifText{p.Lead}}}
	}
	for _, a := range p.Answers {
		m := a.Title
		for _, l := range []struct{ name, text string }{{"where", a.Where}, {"proof", strings.Join(a.Proof, "; ")}, {"fix", a.Fix}, {"in", strings.Join(a.In, ", ")}} {
			if l.text != "" {
				m += "\n" + l.name + ": " + l.text
			}
		}
		at := ""
		if a.At != nil {
			at = a.At.Path
		}
		s.add(v, sarifRule{ID: a.Rule, Short: sarifText{a.Title}, Help: help(a.Fix)}, "error", m, a.Where, at, a.Where, a.Title)
	}
	for _, d := range p.Differences {
		if len(d.Causes) == 0 {
			s.add(v, sarifRule{ID: "mismatch", Short: sarifText{"an artefact differs between two builds"}}, "error",
				d.Name+" differs between two builds of the same inputs: "+d.Sizes, "", d.Name, d.Name)
		}
	}
	if r := p.Reference; r != nil && len(p.Answers) == 0 && v.Word != verdict.Reproducible {
		level := "error"
		if v.Word == verdict.SameContent || v.Word == verdict.OtherInputs {
			level = "warning"
		}
		s.add(v, sarifRule{ID: joined("-", "reference", string(v.Class)), Short: sarifText{"the builds and the reference are not the same"}}, level, p.Lead, "", r.Path, r.Path)
	}
	for _, w := range p.Warnings {
		m := w.Text
		if w.Artefact != "" {
			m = w.Artefact + ": " + m
		}
		s.add(v, sarifRule{ID: joined("-", "warning", w.Kind), Short: sarifText{"what two builds can't show to matter"}}, "warning", m, "", w.Artefact, w.Artefact)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(sarifLog{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []sarifRun{*s}})
	return out.Bytes(), err
}

func help(fix string) *sarifText {
	if fix == "" {
		return nil
	}
	return &sarifText{fix}
}

// add appends a result and, once, its rule. The identity is what tells the
// result from others of its rule, in this run as in later ones.
func (s *sarifRun) add(v *verdict.Verdict, r sarifRule, level, message, where, at string, identity ...string) {
	d := &s.Tool.Driver
	i := slices.IndexFunc(d.Rules, func(x sarifRule) bool { return x.ID == r.ID })
	if i < 0 {
		i = len(d.Rules)
		r.Default.Level = level
		d.Rules = append(d.Rules, r)
	}
	sum := sha256.Sum256([]byte(r.ID + "\x00" + strings.Join(identity, "\x00")))
	x := sarifResult{Rule: r.ID, Index: i, Level: level, Message: sarifText{message}, Fingerprints: map[string]string{"twice/v1": fmt.Sprintf("%x", sum)}}
	file, line := sourceOf(v, where)
	loc := sarifLocation{Physical: sarifPhysical{sarifArtifact{(&url.URL{Path: file}).String()}, sarifRegion{line}}}
	if at != "" {
		loc.Logical = []sarifLogical{{at}}
	}
	x.Locations = []sarifLocation{loc}
	s.Results = append(s.Results, x)
}

// source is how a cause names a line: "build script of stamp 0.1.0, build.rs:3".
var inCrate = regexp.MustCompile(`^(?:crate|build script of) (\S+)(?: (\S+))?, ([^:,]+):([0-9]{1,9})(?:,|$)`)

// sourceOf is the file and line that a cause names, as a path in the
// repository, or the workspace's manifest.
func sourceOf(v *verdict.Verdict, where string) (string, int) {
	if m := inCrate.FindStringSubmatch(where); m != nil {
		for _, p := range v.Subject.Packages {
			line, err := strconv.Atoi(m[4])
			if p.Name == m[1] && (m[2] == "" || p.Version == m[2]) && err == nil && line > 0 && local(p.Dir) && local(m[3]) {
				return path.Join(p.Dir, m[3]), line
			}
		}
	}
	if !local(v.Subject.Dir) {
		return "Cargo.toml", 1
	}
	return path.Join(v.Subject.Dir, "Cargo.toml"), 1
}

// local says whether a path stays inside of the repository.
func local(name string) bool {
	return !path.IsAbs(name) && !slices.Contains(strings.Split(name, "/"), "..")
}
