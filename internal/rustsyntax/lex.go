package rustsyntax

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	MaxSize  = 16 << 20 // bytes of a file; bindings that bindgen wrote have 2 MB
	MaxDepth = 512      // of brackets in brackets
)

// Kind is what a token is.
type Kind uint8

const (
	Ident    Kind = iota // identifiers and keywords; r# stays where a keyword follows it
	Lifetime             // 'a
	Literal              // as written, with quotes, prefix and suffix
	Punct                // "::", "=>", "+"
	Group                // "(", "[" or "{" with what is between it and its end
)

// Token is a token, or a bracket with the tokens in it.
type Token struct {
	Kind  Kind
	Text  string
	Line  int // from 1
	Inner []Token
}

// is says whether the token is this punctuation or identifier.
func (t Token) is(text string) bool { return (t.Kind == Punct || t.Kind == Ident) && t.Text == text }

func (t Token) group(open string) bool { return t.Kind == Group && t.Text == open }

// Tokens reads text as a tree of tokens. Comments are dropped.
func Tokens(text string) ([]Token, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%d bytes: more than %d", len(text), MaxSize)
	}
	l := &lexer{text: strings.TrimPrefix(text, "\ufeff"), line: 1}
	if strings.HasPrefix(l.text, "#!") && !strings.HasPrefix(strings.TrimLeft(l.text[2:], " \t\r\n"), "[") {
		l.skipLine()
	}
	return l.tree()
}

var keywords = strings.Fields(`as async await become box break const continue crate do dyn else enum extern false fn for gen if impl in let
	loop macro match mod move mut pub ref return static struct trait true try type union unsafe use where while yield macro_rules default auto safe raw`)

type lexer struct {
	text string
	at   int
	line int
}

type open struct {
	group  Token
	before []Token
}

func (l *lexer) tree() ([]Token, error) {
	var stack []open
	var now []Token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		switch {
		case t == nil && len(stack) > 0:
			g := stack[len(stack)-1].group
			return nil, fmt.Errorf("%d: %q is not closed", g.Line, g.Text)
		case t == nil:
			return now, nil
		case t.Kind == Punct && strings.Contains("([{", t.Text):
			if len(stack) == MaxDepth {
				return nil, fmt.Errorf("%d: more than %d brackets in one another", t.Line, MaxDepth)
			}
			stack = append(stack, open{Token{Kind: Group, Text: t.Text, Line: t.Line}, now})
			now = nil
		case t.Kind == Punct && strings.Contains(")]}", t.Text):
			if len(stack) == 0 {
				return nil, fmt.Errorf("%d: %q closes nothing", t.Line, t.Text)
			}
			top := stack[len(stack)-1]
			if strings.Index("([{", top.group.Text) != strings.Index(")]}", t.Text) {
				return nil, fmt.Errorf("%d: %q closes the %q of line %d", t.Line, t.Text, top.group.Text, top.group.Line)
			}
			top.group.Inner = now
			now = append(top.before, top.group)
			stack = stack[:len(stack)-1]
		default:
			now = append(now, *t)
		}
	}
}

func (l *lexer) rest() string { return l.text[l.at:] }

// take moves on by n bytes and returns them.
func (l *lexer) take(n int) string {
	s := l.text[l.at : l.at+n]
	l.line += strings.Count(s, "\n")
	l.at += n
	return s
}

func (l *lexer) skipLine() {
	if n := strings.IndexByte(l.rest(), '\n'); n >= 0 {
		l.take(n)
		return
	}
	l.at = len(l.text)
}

// next returns the next token, nil at the end.
func (l *lexer) next() (*Token, error) {
	if err := l.skipSpace(); err != nil || l.at == len(l.text) {
		return nil, err
	}
	line := l.line
	kind, n, err := l.token()
	if err != nil {
		return nil, err
	}
	text := l.take(n)
	if kind == Ident {
		// A raw keyword is no keyword.
		if bare, raw := strings.CutPrefix(text, "r#"); raw && !slices.Contains(keywords, bare) {
			text = bare
		}
	}
	return &Token{Kind: kind, Text: text, Line: line}, nil
}

func (l *lexer) skipSpace() error {
	for l.at < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.rest())
		switch {
		case unicode.IsSpace(r), r == '\u200e', r == '\u200f':
			l.take(n)
		case strings.HasPrefix(l.rest(), "//"):
			l.skipLine()
		case strings.HasPrefix(l.rest(), "/*"):
			if err := l.skipComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// skipComment skips a comment that may have others in it.
func (l *lexer) skipComment() error {
	line, depth := l.line, 0
	for l.at < len(l.text) {
		switch {
		case strings.HasPrefix(l.rest(), "/*"):
			depth++
			l.take(2)
		case strings.HasPrefix(l.rest(), "*/"):
			l.take(2)
			if depth--; depth == 0 {
				return nil
			}
		default:
			l.take(1)
		}
	}
	return fmt.Errorf("%d: a comment is not closed", line)
}

var puncts = []string{"..=", "...", "::", "->", "=>", "..", "==", "!=", "<=", "+=", "-=", "*=", "/=", "%=", "^="}

// token says what stands at the position and how long it is.
func (l *lexer) token() (Kind, int, error) {
	s := l.rest()
	if n, ok, err := l.literal(s); ok || err != nil {
		return Literal, n, err
	}
	switch c := s[0]; {
	case c == '\'':
		return l.quote(s)
	case strings.HasPrefix(s, "r#") && identLen(s[2:]) > 0:
		return Ident, 2 + identLen(s[2:]), nil
	case identLen(s) > 0:
		return Ident, identLen(s), nil
	case '0' <= c && c <= '9':
		return Literal, numberLen(s), nil
	}
	for _, p := range puncts {
		if strings.HasPrefix(s, p) {
			return Punct, len(p), nil
		}
	}
	_, n := utf8.DecodeRuneInString(s)
	return Punct, n, nil
}

// literal measures strings of every kind: "", b"", c"", r"", br#""#, b”.
func (l *lexer) literal(s string) (int, bool, error) {
	prefix := 0
	for prefix < 2 && prefix < len(s) && strings.IndexByte("bcr", s[prefix]) >= 0 {
		prefix++
	}
	if prefix == 2 && s[:2] != "br" && s[:2] != "cr" {
		return 0, false, nil
	}
	raw := prefix > 0 && s[prefix-1] == 'r'
	after := s[prefix:]
	switch {
	case raw:
		hashes := len(after) - len(strings.TrimLeft(after, "#"))
		if !strings.HasPrefix(after[hashes:], `"`) {
			return 0, false, nil
		}
		end := strings.Index(after[hashes+1:], `"`+after[:hashes])
		if end < 0 {
			return 0, false, fmt.Errorf("%d: a string is not closed", l.line)
		}
		return prefix + hashes + 1 + end + 1 + hashes, true, nil
	case strings.HasPrefix(after, `"`):
		n := quotedLen(after, '"')
		if n < 0 {
			return 0, false, fmt.Errorf("%d: a string is not closed", l.line)
		}
		return prefix + n, true, nil
	case prefix == 1 && s[0] == 'b' && strings.HasPrefix(after, "'"):
		n := quotedLen(after, '\'')
		if n < 0 {
			return 0, false, fmt.Errorf("%d: a character is not closed", l.line)
		}
		return prefix + n, true, nil
	}
	return 0, false, nil
}

// quotedLen measures a text in quotes with escapes, -1 if it has no end.
func quotedLen(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return -1
}

// quote tells a character from a lifetime.
func (l *lexer) quote(s string) (Kind, int, error) {
	if len(s) > 1 && s[1] != '\\' {
		_, n := utf8.DecodeRuneInString(s[1:])
		if strings.HasPrefix(s[1+n:], "'") {
			return Literal, n + 2, nil
		}
		if m := identLen(s[1:]); m > 0 {
			return Lifetime, 1 + m, nil
		}
		return Punct, 1, nil
	}
	if n := quotedLen(s, '\''); n > 0 {
		return Literal, n, nil
	}
	return 0, 0, fmt.Errorf("%d: a character is not closed", l.line)
}

func identLen(s string) int {
	for i, r := range s {
		if r == '_' || unicode.IsLetter(r) || i > 0 && (unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)) {
			continue
		}
		return i
	}
	return len(s)
}

// numberLen measures 1, 0x1f, 1.5e-3f32 and 1_000u64; in "1..2" and "1.max(2)"
// the point is not part of the number.
func numberLen(s string) int {
	n := 1
	point := false
	for n < len(s) {
		c := s[n]
		switch {
		case c == '.' && !point && n+1 < len(s) && '0' <= s[n+1] && s[n+1] <= '9':
			point = true
		case c == '.' && !point && (n+1 == len(s) || s[n+1] != '.' && identLen(s[n+1:]) == 0):
			return n + 1
		case (c == '+' || c == '-') && (s[n-1] == 'e' || s[n-1] == 'E') && !strings.HasPrefix(s, "0x"):
		case c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
		default:
			return n
		}
		n++
	}
	return n
}

// StringValue returns what a string literal says, "" and false for others.
// Escapes that need a number are left as they stand.
func StringValue(t Token) (string, bool) {
	s := strings.TrimLeft(t.Text, "bcr")
	if t.Kind != Literal || s == "" {
		return "", false
	}
	if raw := t.Text[:len(t.Text)-len(s)]; strings.HasSuffix(raw, "r") {
		s = strings.Trim(s, "#")
		if len(s) < 2 || s[0] != '"' {
			return "", false
		}
		return s[1 : len(s)-1], true
	}
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	return unescape.Replace(s[1 : len(s)-1]), true
}

var unescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\t`, "\t", `\r`, "\r", `\'`, "'", `\0`, "\x00")
