package verdict

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/craton-co/twice/internal/bisect"
	"github.com/craton-co/twice/internal/compare"
)

const schemaFile = "../../docs/verdict.schema.json"

// words are the values of types that have only some.
var words = map[reflect.Type][]any{
	reflect.TypeFor[Word]():        {Reproducible, Mismatch, NoVerdict, Alarm, SameContent, OtherInputs},
	reflect.TypeFor[Class]():       {ClassReproducible, ClassReproduced, ClassBug, ClassIncident, ClassCompressor, ClassInputs},
	reflect.TypeFor[Kind]():        {Bin, Rlib, Debug, Archive, Image, Sums, Index},
	reflect.TypeFor[bisect.Kind](): {bisect.Axes, bisect.Nondeterministic, bisect.Unsteady, bisect.Unfinished},
}

// schemaWriter writes JSON Schema from Go types and their comments.
type schemaWriter struct {
	defs     map[string]any
	comments map[string]string // by "package.Type" and "package.Type.Field"
}

func (w *schemaWriter) of(t reflect.Type) map[string]any {
	switch {
	case words[t] != nil:
		return map[string]any{"enum": words[t]}
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[digest.Digest]():
		return map[string]any{"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
	case t == reflect.TypeFor[compare.Bytes]():
		return map[string]any{"type": []string{"string", "null"}, "pattern": "^([0-9a-f]{2})*$"}
	case t.Kind() == reflect.Pointer:
		return w.of(t.Elem())
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || t.Implements(reflect.TypeFor[json.Marshaler]()):
		panic(fmt.Sprintf("%v writes itself: say here what it writes", t))
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": w.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": w.of(t.Elem())}
	case reflect.Struct:
		name := filepath.Base(t.PkgPath()) + "." + t.Name()
		if _, known := w.defs[name]; !known {
			w.defs[name] = nil // it may hold itself
			w.defs[name] = w.object(name, t)
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	panic(fmt.Sprintf("no schema for %v", t))
}

func (w *schemaWriter) object(name string, t reflect.Type) map[string]any {
	w.read(t)
	properties, required := map[string]any{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() {
			continue
		}
		s := w.of(f.Type)
		if text := w.comments[name+"."+f.Name]; text != "" {
			s["description"] = text
		}
		properties[tag] = s
		if options == "" {
			required = append(required, tag)
		}
	}
	o := map[string]any{"type": "object", "additionalProperties": false, "required": required, "properties": properties}
	if text := w.comments[name]; text != "" {
		o["description"] = text
	}
	return o
}

// read takes the comments out of a type's package.
func (w *schemaWriter) read(t reflect.Type) {
	pkg := filepath.Base(t.PkgPath())
	files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
	if err != nil || len(files) == 0 {
		panic(fmt.Sprintf("no sources of %s: %v", pkg, err))
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok {
				return true
			}
			for _, s := range d.Specs {
				ts, ok := s.(*ast.TypeSpec)
				if !ok {
					continue
				}
				st, ok := ts.Type.(*ast.StructType)
				if !ok {
					continue
				}
				w.comments[pkg+"."+ts.Name.Name] = oneLine(d.Doc.Text())
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						w.comments[pkg+"."+ts.Name.Name+"."+n.Name] = oneLine(f.Doc.Text() + f.Comment.Text())
					}
				}
			}
			return true
		})
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func writeSchema(t *testing.T) []byte {
	w := &schemaWriter{defs: map[string]any{}, comments: map[string]string{}}
	root := w.of(reflect.TypeFor[Verdict]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "twice verify --json, schema 1"
	root["$comment"] = "written by: go test ./internal/verdict -run TestSchema -update"
	root["$defs"] = w.defs
	w.defs["verdict.Verdict"].(map[string]any)["properties"].(map[string]any)["schema"] = map[string]any{"const": Schema}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The schema says of every member what the Go types say, and takes what JSON
// writes and refuses what Parse refuses.
func TestSchema(t *testing.T) {
	golden(t, filepath.Join("..", schemaFile), writeSchema(t))
	schema, err := jsonschema.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	validate := func(data []byte) error {
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	full := bisected(&Bisection{Conclusion: bisect.Axes, Groups: [][]string{{"build-path"}}})
	full.Artefacts[0].Finding = &compare.Finding{Name: "stamp", Kind: compare.ELF, SizeA: 1, SizeB: -1,
		Parts: []*compare.Finding{{Name: ".rodata", Kind: compare.Section, Fields: []compare.Field{{Name: "size", A: "1", B: "2"}}}}}
	against := reproducible()
	against.Reference = &Reference{Path: "x", Kind: "file", Artefacts: []Compared{{Name: "bin/rg", Ours: sum("bin/rg"), Theirs: sum("bin/rg"), Same: true}}}
	against.Class = ClassReproduced
	for name, v := range map[string]*Verdict{"reproducible": reproducible(), "mismatch": mismatch(), "bisected": full, "against": against} {
		data, err := v.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	good, err := full.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"another schema":     {`"schema": 1`, `"schema": 2`},
		"no known word":      {`"verdict": "MISMATCH"`, `"verdict": "FINE"`},
		"no known member":    {`"subject": {`, `"more": 1, "subject": {`},
		"no digest":          {`"a": "sha256:`, `"a": "md5:`},
		"a member is absent": {`"same": false`, `"sane": false`},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, good) {
			t.Errorf("%s: there is no %s", what, change[0])
		}
		if validate(bad) == nil {
			t.Errorf("%s: the schema takes it", what)
		}
		if _, err := Parse(bad); err == nil {
			t.Errorf("%s: Parse takes it", what)
		}
	}
}

// Every golden verdict in the repository is one by the schema.
func TestSchemaOfGoldens(t *testing.T) {
	schema, err := jsonschema.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../*/testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte("{\n  \"verdict\": \"")) {
			continue
		}
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		seen = append(seen, filepath.Base(name))
	}
	if d := cmp.Diff(true, slices.Contains(seen, "mismatch.json") && slices.Contains(seen, "reproducible.json")); d != "" {
		t.Errorf("only %v were seen", seen)
	}
}
