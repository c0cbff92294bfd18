package main

import (
	"encoding/json"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

// valid-json SCHEMA FILE… checks documents by a JSON Schema.
func cmdValidJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: valid-json SCHEMA FILE…")
	}
	schema, err := jsonschema.Compile(args[0])
	ts.Check(err)
	for _, name := range args[1:] {
		var v any
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(name)), &v))
		ts.Check(schema.Validate(v))
	}
}
