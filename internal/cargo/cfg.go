package cargo

import (
	"errors"
	"fmt"
	"strings"
)

// What `rustc --print cfg` says, for the triples that are known. The common
// part comes first; debug_assertions is there because Cargo asks without flags.
var commonCfg = []string{
	`debug_assertions`, `panic="unwind"`, `target_abi=""`, `target_endian="little"`, `target_family="unix"`,
	`target_has_atomic="8"`, `target_has_atomic="16"`, `target_has_atomic="32"`, `target_has_atomic="64"`, `target_has_atomic="ptr"`,
	`target_os="linux"`, `target_pointer_width="64"`, `target_vendor="unknown"`, `unix`,
}

var tripleCfg = map[string][]string{
	"x86_64-unknown-linux-gnu": {`target_arch="x86_64"`, `target_env="gnu"`,
		`target_feature="fxsr"`, `target_feature="sse"`, `target_feature="sse2"`},
	"x86_64-unknown-linux-musl": {`target_arch="x86_64"`, `target_env="musl"`, `target_feature="crt-static"`,
		`target_feature="fxsr"`, `target_feature="sse"`, `target_feature="sse2"`},
	"aarch64-unknown-linux-gnu": {`target_arch="aarch64"`, `target_env="gnu"`,
		`target_feature="neon"`, `target_has_atomic="128"`},
	"aarch64-unknown-linux-musl": {`target_arch="aarch64"`, `target_env="musl"`, `target_feature="crt-static"`,
		`target_feature="neon"`, `target_has_atomic="128"`},
}

// KnownTriple says whether MatchCfg can evaluate expressions for a triple.
func KnownTriple(triple string) bool { return tripleCfg[triple] != nil }

func cfgSet(triple string) map[string]bool {
	set := map[string]bool{}
	for _, c := range append(append([]string{}, commonCfg...), tripleCfg[triple]...) {
		set[c] = true
	}
	return set
}

const maxCfgDepth = 64

// MatchCfg evaluates "cfg(…)" for a triple: all(), any(), not(), true, false,
// names, and names with a value. What no known compiler sets is not set. It is
// an error if key is no such expression or the triple is not known.
func MatchCfg(key, triple string) (bool, error) {
	if !KnownTriple(triple) {
		return false, fmt.Errorf("cfg of target %.100q is not known", triple)
	}
	p := &cfgParser{set: cfgSet(triple)}
	inner, ok := strings.CutPrefix(key, "cfg(")
	if inner, ok2 := strings.CutSuffix(inner, ")"); ok && ok2 {
		p.rest = inner
	} else {
		return false, fmt.Errorf("%.200q is not a cfg expression", key)
	}
	v, err := p.expr(0)
	if err == nil && p.peek() != "" {
		err = fmt.Errorf("%.50q after its end", p.rest)
	}
	if err != nil {
		return false, fmt.Errorf("parsing %.200q: %w", key, err)
	}
	return v, nil
}

type cfgParser struct {
	rest string
	set  map[string]bool
}

// peek returns the next token without taking it: an identifier, a string with
// its opening quote, one of "(),=", any other byte, or "" at the end.
func (p *cfgParser) peek() string {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		return ""
	}
	switch c := p.rest[0]; {
	case c == '"':
		if end := strings.IndexByte(p.rest[1:], '"'); end >= 0 {
			return p.rest[:end+2]
		}
		return p.rest[:1]
	case isIdent(c, true):
		if p.rest != "" && strings.HasPrefix(p.rest, "r#") && len(p.rest) > 2 && isIdent(p.rest[2], true) {
			return p.rest[:2+identLen(p.rest[2:])]
		}
		return p.rest[:identLen(p.rest)]
	default:
		return p.rest[:1]
	}
}

func (p *cfgParser) take() string {
	t := p.peek()
	p.rest = p.rest[len(t):]
	return t
}

func (p *cfgParser) expect(token string) error {
	if got := p.take(); got != token {
		return fmt.Errorf("%.50q where %q should be", got, token)
	}
	return nil
}

func isIdent(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}

func identLen(s string) int {
	n := 0
	for n < len(s) && isIdent(s[n], n == 0) {
		n++
	}
	return n
}

func (p *cfgParser) expr(depth int) (bool, error) {
	if depth > maxCfgDepth {
		return false, errors.New("nested too deeply")
	}
	name := p.take()
	if name == "" || !isIdent(name[0], true) {
		return false, fmt.Errorf("%.50q where a name should be", name)
	}
	switch next := p.peek(); {
	case next == "(" && (name == "all" || name == "any" || name == "not"):
		return p.list(name, depth)
	case name == "all" || name == "any" || name == "not":
		return false, fmt.Errorf("%s without (", name)
	case next == "=":
		p.take()
		value := p.take()
		if len(value) < 2 || value[0] != '"' {
			return false, fmt.Errorf("%.50q where a string should be", value)
		}
		return p.set[strings.TrimPrefix(name, "r#")+"="+value], nil
	case name == "true" || name == "false":
		return name == "true", nil
	}
	return p.set[strings.TrimPrefix(name, "r#")], nil
}

// list reads the arguments of all, any or not. A trailing comma is allowed.
func (p *cfgParser) list(op string, depth int) (bool, error) {
	if err := p.expect("("); err != nil {
		return false, err
	}
	all, any, n := true, false, 0
	for p.peek() != ")" {
		v, err := p.expr(depth + 1)
		if err != nil {
			return false, err
		}
		all, any, n = all && v, any || v, n+1
		if p.peek() != "," {
			break
		}
		if op == "not" {
			return false, errors.New("not takes one argument")
		}
		p.take()
	}
	if err := p.expect(")"); err != nil {
		return false, err
	}
	switch op {
	case "all":
		return all, nil
	case "any":
		return any, nil
	}
	if n != 1 {
		return false, errors.New("not takes one argument")
	}
	return !all, nil
}
