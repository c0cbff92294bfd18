package cargo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxTOML bounds every file that is read as TOML. Cargo.lock files of the
// largest public workspaces have 600 kB.
const maxTOML = 8 << 20

// decode reads a TOML document into v. Its errors begin with "name:line: ".
func decode(name string, data []byte, v any) error {
	if len(data) > maxTOML {
		return fmt.Errorf("%s: %d bytes: more than %d", name, len(data), maxTOML)
	}
	err := toml.Unmarshal(data, v)
	var at *toml.DecodeError
	if errors.As(err, &at) {
		row, _ := at.Position()
		return fmt.Errorf("%s:%d: %s", name, row, strings.TrimPrefix(at.Error(), "toml: "))
	}
	if err != nil {
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return nil
}

// tableLines returns the line of each [[name]] header in a valid document.
func tableLines(data []byte, name string) []int {
	var lines []int
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.ArrayTable {
			continue
		}
		key := e.Key()
		if !key.Next() || string(key.Node().Data) != name || !key.IsLast() {
			continue
		}
		lines = append(lines, p.Shape(key.Node().Raw).Start.Line)
	}
	return lines
}
