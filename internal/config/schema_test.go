package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

const schemaFile = "../../docs/twice.schema.json"

var update = flag.Bool("update", false, "write docs/twice.schema.json")

// keys are all keys of a type, as Parse takes them.
func keys(t reflect.Type, at string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var out []string
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("toml"), ",")
		if key == "-" || !t.Field(i).IsExported() {
			continue
		}
		path := strings.TrimPrefix(at+"."+key, ".")
		out = append(append(out, noteKey(path)), keys(t.Field(i).Type, path)...)
	}
	return out
}

// Every key has a description, and every description a key.
func TestSchemaHasEveryKey(t *testing.T) {
	have := keys(reflect.TypeFor[File](), "")
	for _, k := range have {
		if notes[k].text == "" {
			t.Errorf("key %s has no description", k)
		}
		if last := k[strings.LastIndexByte(k, '.')+1:]; !bytes.Contains(Schema(), []byte(`"`+last+`": {`)) {
			t.Errorf("key %s is not in the schema", k)
		}
	}
	for k := range notes {
		if !slices.Contains(have, k) {
			t.Errorf("there is no key %s", k)
		}
	}
}

func TestSchemaFile(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(text, Schema()) {
		t.Errorf("%s is not what `twice config schema` prints: run `go test ./internal/config -update` (%v)", schemaFile, err)
	}
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, bytes.NewReader(Schema())); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t *testing.T, text string) any {
	t.Helper()
	var v map[string]any
	if err := toml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What Parse takes is valid, and of what it refuses the schema finds what it can.
func TestSchemaAgreesWithParse(t *testing.T) {
	s := schema(t)
	files := []string{Reference, ""}
	for _, name := range []string{"../../examples/tensor-wasm/twice.toml", "../../examples/git-describe/twice.toml"} {
		if text, err := os.ReadFile(name); err == nil {
			files = append(files, string(text))
		}
	}
	if len(files) < 3 {
		t.Error("no example has a twice.toml")
	}
	for _, text := range files {
		if _, err := Parse([]byte(text)); err != nil {
			t.Error(err)
		}
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	for _, text := range []string{
		"[toolchain]\nchanel = \"1\"\n", "[builder]\npackages = [\"CMake\"]\n", "[[build]]\nname = \"../x\"\n", "[[build]]\ntarget = \"x86\"\n",
		"[[image]]\nuser = \"root\"\n", "[[image]]\nexpose = [\"http\"]\n", "[archive]\nformats = [\"rar\"]\n", "git = \"yes\"\n", "epoch = -1\n",
		"[profile.A]\nbase = \"x\"\n", "[check.cargo-deny]\nversion = \"1.0.0\"\n",
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("Parse takes %q", text)
		}
		if err := s.Validate(asJSON(t, text)); err == nil {
			t.Errorf("the schema takes %q", text)
		}
	}
}
