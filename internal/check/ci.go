package check

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var ciFiles = []string{".gitlab-ci.yml", ".gitlab-ci.yaml", ".circleci/config.yml", "azure-pipelines.yml", ".travis.yml", ".cirrus.yml",
	".woodpecker.yml", ".drone.yml", "bitbucket-pipelines.yml", ".buildkite/pipeline.yml"}

func isCI(name string) bool {
	ext := path.Ext(name)
	if ext != ".yml" && ext != ".yaml" {
		return false
	}
	if slices.Contains(ciFiles, name) {
		return true
	}
	for _, dir := range []string{".github/workflows/", ".github/actions/", ".gitlab/", ".forgejo/workflows/", ".gitea/workflows/", ".woodpecker/", ".buildkite/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

// readCI reads a CI file: the scripts, variables and images in it, wherever
// they stand.
func readCI(name string, data []byte) *recipe {
	r := &recipe{File: name, Kind: "CI"}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		r.Unread = append(r.Unread, at(name, 0, "is no YAML that could be parsed: %s", strings.TrimPrefix(err.Error(), "yaml: ")))
		return r
	}
	r.yaml(&doc, 0)
	return r
}

func (r *recipe) yaml(n *yaml.Node, depth int) {
	if depth > 100 {
		return
	}
	if n.Kind != yaml.MappingNode {
		for _, c := range n.Content {
			r.yaml(c, depth+1)
		}
		return
	}
	// Variables first: commands use them.
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k, v := n.Content[i].Value, n.Content[i+1]; (k == "env" || k == "environment" || k == "variables") && v.Kind == yaml.MappingNode {
			for j := 0; j+1 < len(v.Content); j += 2 {
				r.Env = append(r.Env, variable{v.Content[j].Value, v.Content[j+1].Value, v.Content[j].Line})
			}
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i].Value, n.Content[i+1]
		switch k {
		case "services":
			continue // beside the build, not around it
		case "run", "script", "before_script", "after_script", "command", "commands", "bash", "sh":
			r.scripts(v, depth)
		case "container", "image":
			r.image(v)
		case "uses":
			r.Actions = append(r.Actions, variable{v.Value, "", v.Line})
			if ref, ok := strings.CutPrefix(v.Value, "docker://"); ok {
				r.Images = append(r.Images, imageRef{ref, v.Line})
			}
			if strings.Contains(v.Value, "/cargo@") {
				r.action(n)
			}
		}
		r.yaml(v, depth+1)
	}
}

// scripts reads a script or a list of them.
func (r *recipe) scripts(n *yaml.Node, depth int) {
	switch n.Kind {
	case yaml.ScalarNode:
		line := n.Line
		if n.Style == yaml.LiteralStyle || n.Style == yaml.FoldedStyle {
			line++
		}
		r.shell(n.Value, line)
	case yaml.SequenceNode:
		for _, c := range n.Content {
			if c.Kind != yaml.MappingNode && depth < 100 {
				r.scripts(c, depth+1)
			}
		}
	}
}

func (r *recipe) image(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		r.Images = append(r.Images, imageRef{n.Value, n.Line})
		return
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if k := n.Content[i].Value; k == "name" && n.Content[i+1].Value != "" { // "image" inside is found by itself
			r.Images = append(r.Images, imageRef{n.Content[i+1].Value, n.Content[i+1].Line})
		}
	}
}

// action reads a step that hands cargo's words to an action.
func (r *recipe) action(step *yaml.Node) {
	for i := 0; i+1 < len(step.Content); i += 2 {
		if step.Content[i].Value != "with" {
			continue
		}
		with := map[string]string{}
		line := step.Content[i].Line
		for j, c := 0, step.Content[i+1].Content; j+1 < len(c); j += 2 {
			with[c[j].Value] = c[j+1].Value
			if c[j].Value == "command" {
				line = c[j].Line
			}
		}
		if with["command"] != "" {
			r.Commands = append(r.Commands, command{Line: line, Words: append([]string{"cargo", with["command"]}, strings.Fields(with["args"])...)})
		}
	}
}
