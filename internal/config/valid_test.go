package config

import (
	"encoding/json"
	"strings"
	"testing"
)

// Settings that were never a twice.toml, as a statement has them, have to be some that one
// could be.
func TestValid(t *testing.T) {
	for text, want := range map[string]string{
		`{"build":[{"name":"tool"}]}`: "",
		`{"name":"_tool","build":[{"name":"_tool","bins":["_debug","c++"]}],"image":[{"name":"` + strings.Repeat("n", 70) + `","build":"_tool","base":"scratch"}]}`: "",
		`{}`:                               "there is no build",
		`{"build":[]}`:                     "there is no build",
		`{"build":[{}]}`:                   "build 0 has no name",
		`{"build":[{"name":"../shared"}]}`: "can't be a name",
		`{"build":[{"name":"tool","env":{"A; rm -rf /": "x"}}]}`:            "A; rm -rf /",
		`{"name":"../../any/where","build":[{"name":"tool"}]}`:              "can't be a name",
		`{"build":[{"name":"tool"}],"image":[{"build":"tool","base":";"}]}`: `";"`,
	} {
		var f File
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatal(err)
		}
		err := f.Valid()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
