package sarif

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrite(t *testing.T) {
	rules := []Rule{{"a", "A", "why a"}, {"b", "B", "why b"}}
	var b strings.Builder
	if err := Write(&b, "twice", "1", rules, []Result{{"b", Error, "bad <x>", "dir/a b.rs", 3}, {"a", Note, "n", "", 0}, {"a", Warning, "w", "f", 0}}); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
  "version": "2.1.0",
  "runs": [
    {
      "tool": {
        "driver": {
          "name": "twice",
          "version": "1",
          "rules": [
            {
              "id": "a",
              "shortDescription": {
                "text": "A"
              },
              "help": {
                "text": "why a"
              }
            },
            {
              "id": "b",
              "shortDescription": {
                "text": "B"
              },
              "help": {
                "text": "why b"
              }
            }
          ]
        }
      },
      "results": [
        {
          "ruleId": "b",
          "ruleIndex": 1,
          "level": "error",
          "message": {
            "text": "bad <x>"
          },
          "locations": [
            {
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "dir/a%20b.rs",
                  "uriBaseId": "%SRCROOT%"
                },
                "region": {
                  "startLine": 3
                }
              }
            }
          ]
        },
        {
          "ruleId": "a",
          "ruleIndex": 0,
          "level": "note",
          "message": {
            "text": "n"
          }
        },
        {
          "ruleId": "a",
          "ruleIndex": 0,
          "level": "warning",
          "message": {
            "text": "w"
          },
          "locations": [
            {
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "f",
                  "uriBaseId": "%SRCROOT%"
                }
              }
            }
          ]
        }
      ]
    }
  ]
}
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	if err := Write(&b, "twice", "", rules, []Result{{Rule: "c"}}); err == nil {
		t.Error("a result without a rule was written")
	}
}
