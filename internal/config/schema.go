package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// SchemaID names the schema. It is docs/twice.schema.json of this repository.
const SchemaID = "https://github.com/craton-co/twice/raw/main/docs/twice.schema.json"

// A note is what the types don't say of a key.
type note struct {
	text     string
	pattern  *regexp.Regexp // of a string, or of each in a list
	values   []string       // the only ones
	required bool
}

// notes by key; "build.*" is a key of each [[build]].
var notes = map[string]note{
	"name":                         {text: "The sources lie in /build/<name>; default: each build's name.", pattern: nameRE},
	"epoch":                        {text: "Seconds since 1970, for a directory without git."},
	"git":                          {text: "Build scripts get git and a repository of this one commit and its tags."},
	"whole-repository":             {text: "The build gets all of the repository, not just the workspace's folder."},
	"source":                       {text: "What a provenance statement says of where the sources are."},
	"source.repository":            {text: "Where others find the commit; default: Cargo.toml's repository.", pattern: repositoryRE},
	"toolchain":                    {text: "What rust-toolchain.toml says, or what overrides it."},
	"toolchain.channel":            {text: "Default: rust-toolchain.toml, then Twice's own pin; \"debian\": the builder's own packages."},
	"toolchain.components":         {text: "Beside rustc, cargo and rust-std."},
	"toolchain.targets":            {text: "More standard libraries, beside the builds' own."},
	"builder":                      {text: "The image that the build runs in."},
	"builder.image":                {text: "A definition in images/, or name@sha256:…"},
	"builder.packages":             {text: "More Debian packages of the locked suite, such as cmake, protobuf-compiler, clang, nasm.", pattern: debianRE},
	"cuda":                         {text: "The toolkit, and the libclang, that build scripts use."},
	"cuda.wheels":                  {text: "NAME==VERSION of NVIDIA's wheels, and libclang."},
	"cuda.redist":                  {text: "Instead of NVIDIA's wheels: its archives of that release."},
	"cuda.components":              {text: "Which archives of that release."},
	"build":                        {text: "One run of cargo."},
	"build.name":                   {text: "Default: the package.", pattern: nameRE},
	"build.packages":               {text: "Cargo's --package.", pattern: nameRE},
	"build.bins":                   {text: "Default: every binary of these packages.", pattern: nameRE},
	"build.features":               {text: "Cargo's --features.", pattern: featureRE},
	"build.default-features":       {text: "False is cargo's --no-default-features."},
	"build.target":                 {text: "A target triple.", pattern: tripleRE},
	"build.profile":                {text: "Of Cargo; default: release.", pattern: nameRE},
	"build.rlibs":                  {text: "Compare every .rlib too; it is the default."},
	"build.split-debug":            {text: "Debug information in files and archives of its own."},
	"build.provenance":             {text: "The build sees TWICE_PROVENANCE, for its programs to print what they were made from."},
	"build.auditable":              {text: "The list of packages is in the programs, as cargo-auditable does it."},
	"build.env":                    {text: "What the build sees beside the fixed environment. {tag}, {version}, {commit} and {epoch} stand for the source's."},
	"image":                        {text: "One runtime image."},
	"image.name":                   {text: "Default: the build's; images of one build must differ in it.", pattern: nameRE},
	"image.build":                  {text: "Whose binaries; default: the only build.", pattern: nameRE},
	"image.builds":                 {text: "Instead of build: an image of each, and an index of them.", pattern: nameRE},
	"image.base":                   {text: "A definition in images/, \"scratch\", or name@sha256:…"},
	"image.entrypoint":             {text: "Default: the first binary."},
	"image.cmd":                    {text: "Arguments of the entrypoint."},
	"image.user":                   {text: "UID:GID; default: 65532:65532.", pattern: userRE},
	"image.working-dir":            {text: "Where the entrypoint starts."},
	"image.env":                    {text: "The container's environment."},
	"image.labels":                 {text: "Of the image's configuration."},
	"image.expose":                 {text: "Ports: 8080 or 8080/tcp.", pattern: exposeRE},
	"image.files":                  {text: "Path in the workspace to path in the image."},
	"image.driver-libraries":       {text: "Supplied by the host's driver at run time."},
	"archive":                      {text: "How release archives are made; it holds for every build."},
	"archive.formats":              {text: "Of the archives.", values: []string{"tar.gz", "tar.zst", "zip"}},
	"archive.files":                {text: "Patterns of files beside the binaries."},
	"archive.out-dir":              {text: "What a build script writes to its OUT_DIR: completions, manual pages.", pattern: outDirRE},
	"archive.sums":                 {text: "SHA256SUMS of all archives and binaries, as an artefact."},
	"check":                        {text: "What advisories, licences, bans and sources are checked with."},
	"check.cargo-deny":             {text: "A release on crates.io.", required: true},
	"check.cargo-deny.version":     {text: "Of the release.", pattern: crateVersionRE, required: true},
	"check.cargo-deny.sha256":      {text: "Of the .crate.", pattern: hexRE, required: true},
	"check.advisory-db":            {text: "A database in RustSec's form.", required: true},
	"check.advisory-db.commit":     {text: "40 hexadecimal digits.", pattern: commitRE, required: true},
	"profile":                      {text: "Other inputs, used with --profile NAME."},
	"profile.base":                 {text: "Of every image that isn't made from scratch."},
	"profile.toolchain":            {text: "Takes the place of [toolchain] and of rust-toolchain.toml."},
	"profile.builder":              {text: "Takes the place of [builder]."},
	"profile.cuda":                 {text: "Takes the place of [cuda]."},
	"archive.third-party-licences": {text: "The licence texts of the crates that are linked in, in archives and images."},
}

// Schema is a JSON Schema (2020-12) of twice.toml, for editors: keys, types,
// and those rules that a schema can say. It is made from the types that Parse
// fills.
func Schema() []byte {
	s := object(reflect.TypeFor[File](), "")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = SchemaID
	s["title"] = Name
	s["description"] = "What a project wants built by twice. Every key is optional."
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic(err) // maps and strings
	}
	return b.Bytes()
}

func object(t reflect.Type, at string) map[string]any {
	properties := map[string]any{}
	var required []string
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		if key == "-" || !f.IsExported() {
			continue
		}
		path := strings.TrimPrefix(at+"."+key, ".")
		properties[key] = value(f.Type, path)
		if notes[noteKey(path)].required {
			required = append(required, key)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		slices.Sort(required)
		s["required"] = required
	}
	return s
}

// noteKey is the key whose note counts: a profile's tables are the file's own.
func noteKey(path string) string {
	if rest, ok := strings.CutPrefix(path, "profile."); ok && strings.Contains(rest, ".") {
		return rest
	}
	return path
}

func value(t reflect.Type, path string) map[string]any {
	n := notes[noteKey(path)]
	var s map[string]any
	text := func() map[string]any {
		s := map[string]any{"type": "string"}
		if n.pattern != nil {
			s["pattern"] = n.pattern.String()
		}
		if n.values != nil {
			s["enum"] = n.values
		}
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return value(t.Elem(), path)
	case reflect.String:
		s = text()
	case reflect.Bool:
		s = map[string]any{"type": "boolean"}
	case reflect.Int64:
		s = map[string]any{"type": "integer", "minimum": 0}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			s = map[string]any{"type": "array", "items": object(t.Elem(), path)}
		} else {
			s = map[string]any{"type": "array", "items": text()}
		}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Struct {
			s = map[string]any{"type": "object", "additionalProperties": object(t.Elem(), path), "propertyNames": map[string]any{"pattern": profileRE.String()}}
		} else {
			s = map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
		}
	case reflect.Struct:
		s = object(t, path)
	default:
		panic(fmt.Sprintf("%s: no schema of a %v", path, t))
	}
	if n.text != "" {
		s["description"] = n.text
	}
	return s
}
