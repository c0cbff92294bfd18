package rustsyntax

import (
	"slices"
	"strings"
)

// Parse reads a source file.
func Parse(text string) (*File, error) {
	tokens, err := Tokens(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	f := &File{}
	for p.peek(0).is("#") && p.peek(1).is("!") && p.peek(2).group("[") {
		f.Attrs = append(f.Attrs, attr(p.peek(2)))
		p.at += 3
	}
	f.Items = p.items()
	return f, nil
}

// A parser reads one sequence of tokens; what is in brackets has its own.
type parser struct {
	tokens []Token
	at     int
}

func inside(t Token) *parser { return &parser{tokens: t.Inner} }

func (p *parser) done() bool { return p.at >= len(p.tokens) }

// peek returns the token n further on, one of no kind behind the end.
func (p *parser) peek(n int) Token {
	if p.at+n < len(p.tokens) {
		return p.tokens[p.at+n]
	}
	return Token{Kind: Punct}
}

func (p *parser) take() Token {
	t := p.peek(0)
	p.at++
	return t
}

func (p *parser) accept(text string) bool {
	if p.peek(0).is(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) items() []*Item {
	var all []*Item
	for !p.done() {
		if i := p.item(); i != nil {
			all = append(all, i)
		} else if i := p.macroItem(); i != nil {
			all = append(all, i)
		} else {
			p.at++
		}
	}
	return all
}

// macroItem reads the call of a macro where an item may stand, or moves nothing.
func (p *parser) macroItem() *Item {
	start := p.at
	i := &Item{Kind: "macro", Attrs: p.attrs(), Line: p.peek(0).Line}
	if p.peek(0).Kind == Ident || p.peek(0).is("::") {
		if c := p.path(true); c != nil && c.Kind == MacroBase {
			i.Name = c.Path[len(c.Path)-1]
			i.Value = &Expr{Terms: []Node{c}, Line: c.Line}
			p.accept(";")
			return i
		}
	}
	p.at = start
	return nil
}

func (p *parser) attrs() []Attr {
	var all []Attr
	for p.peek(0).is("#") {
		n := 1
		if p.peek(1).is("!") {
			n = 2
		}
		if !p.peek(n).group("[") {
			break
		}
		all = append(all, attr(p.peek(n)))
		p.at += n + 1
	}
	return all
}

func attr(g Token) Attr {
	in := inside(g)
	a := Attr{Line: g.Line}
	if in.peek(0).is("unsafe") && in.peek(1).group("(") {
		in = inside(in.peek(1))
	}
	for in.peek(0).Kind == Ident {
		a.Path += in.take().Text
		if !in.accept("::") {
			break
		}
		a.Path += "::"
	}
	a.Args = in.tokens[min(in.at, len(in.tokens)):]
	return a
}

var itemWords = []string{"fn", "mod", "use", "struct", "enum", "union", "trait", "impl", "static", "const", "type", "macro_rules", "macro", "extern"}

// item reads an item, or moves nothing and returns nil.
func (p *parser) item() *Item {
	start := p.at
	i := &Item{Attrs: p.attrs(), Line: p.peek(0).Line}
	if p.accept("pub") {
		i.Public = true
		if p.peek(0).group("(") {
			p.at++
		}
	}
	for p.modifier() {
		p.at++
		if p.peek(0).Kind == Literal && p.tokens[p.at-1].is("extern") {
			p.at++
		}
	}
	word := p.peek(0)
	if word.Kind != Ident || !slices.Contains(itemWords, word.Text) || !p.begins(word.Text) {
		p.at = start
		return nil
	}
	p.at++
	i.Kind, i.Line = word.Text, word.Line
	switch i.Kind {
	case "use":
		i.Uses = useTree(&parser{tokens: p.until(";")}, nil)
	case "mod":
		i.Name = p.take().Text
		if p.peek(0).group("{") {
			i.Inline = true
			i.Items = inside(p.take()).items()
		} else {
			p.accept(";")
		}
	case "fn":
		p.function(i)
	case "struct", "union", "enum":
		p.data(i)
	case "trait", "impl":
		p.holder(i)
	case "static", "const":
		p.accept("mut")
		i.Name = p.take().Text
		if p.accept(":") {
			i.Type = p.typeUntil("=", ";")
		}
		if p.accept("=") {
			i.Value = p.expr(false)
		}
		p.accept(";")
	case "type":
		i.Name = p.take().Text
		p.angles()
		if head := p.until("=", ";"); head != nil && p.tokens[p.at-1].is("=") {
			i.Type = p.until(";")
		}
	case "macro_rules":
		p.accept("!")
		i.Name = p.take().Text
		if p.peek(0).Kind == Group {
			i.Body = rules(p.take())
			p.accept(";")
		}
	case "macro":
		i.Kind, i.Name = "macro_rules", p.take().Text
		for p.peek(0).Kind == Group {
			p.at++
		}
	case "extern":
		if p.peek(0).Kind == Literal {
			p.at++
		}
		if p.peek(0).group("{") {
			i.Items = inside(p.take()).items()
		} else {
			p.until(";")
		}
	}
	return i
}

// modifier says whether the next token stands before an item's own word.
func (p *parser) modifier() bool {
	t, next := p.peek(0), p.peek(1)
	if t.Kind != Ident {
		return false
	}
	nextWord := next.Kind == Ident && (slices.Contains(itemWords, next.Text) || slices.Contains([]string{"unsafe", "async", "const", "extern", "safe"}, next.Text))
	switch t.Text {
	case "unsafe", "async", "default", "safe", "auto":
		return nextWord
	case "const":
		return nextWord && next.Text != "use"
	case "extern":
		return next.is("fn") || next.Kind == Literal && p.peek(2).is("fn") || next.is("unsafe")
	}
	return false
}

// begins tells an item from an expression or a contextual keyword.
func (p *parser) begins(word string) bool {
	next := p.peek(1)
	switch word {
	case "union", "type", "mod":
		return next.Kind == Ident
	case "fn":
		return next.Kind == Ident
	case "static":
		return next.Kind == Ident && next.Text != "move"
	case "const":
		return next.Kind == Ident
	case "macro_rules":
		return next.is("!")
	case "macro":
		return next.Kind == Ident && p.peek(2).Kind == Group
	case "extern":
		return next.is("crate") || next.group("{") || next.Kind == Literal && p.peek(2).group("{")
	}
	return true
}

// until returns the tokens up to one of these, which it takes, too.
func (p *parser) until(ends ...string) []Token {
	start := p.at
	for !p.done() {
		for _, e := range ends {
			if p.peek(0).is(e) {
				p.at++
				return p.tokens[start : p.at-1]
			}
		}
		p.at++
	}
	return p.tokens[min(start, len(p.tokens)):]
}

// typeUntil returns the tokens up to one of these outside of < >, and stops there.
func (p *parser) typeUntil(ends ...string) []Token {
	start, depth := p.at, 0
	for !p.done() {
		t := p.peek(0)
		if depth == 0 {
			for _, e := range ends {
				if t.is(e) || t.group(e) {
					return p.tokens[start:p.at]
				}
			}
		}
		switch {
		case t.is("<"):
			depth++
		case t.is(">"):
			depth = max(depth-1, 0)
		}
		p.at++
	}
	return p.tokens[min(start, len(p.tokens)):]
}

// maxAngles bounds the search for the end of < >, so that a file of "less than"
// takes no time that grows with its square.
const maxAngles = 4096

// angles takes <…> and returns what is in it; nil and nothing taken if there is none.
func (p *parser) angles() []Token {
	if !p.peek(0).is("<") {
		return nil
	}
	depth := 0
	for n := p.at; n < min(len(p.tokens), p.at+maxAngles); n++ {
		switch t := p.tokens[n]; {
		case t.is("<"):
			depth++
		case t.is(">"):
			if depth--; depth == 0 {
				inner := p.tokens[p.at+1 : n]
				p.at = n + 1
				return inner
			}
		case t.is(";"), t.is("=>"):
			return nil
		}
	}
	return nil
}

// useTree flattens a::{b as c, d::*}.
func useTree(p *parser, prefix []string) []Use {
	var all []Use
	for !p.done() {
		path := slices.Clone(prefix)
	path:
		for !p.done() {
			switch t := p.take(); {
			case t.is("::"):
			case t.group("{"):
				all = append(all, useTree(inside(t), path)...)
				path = nil
			case t.is(","):
				break path
			case t.is("as"):
				if len(path) > 0 {
					all = append(all, Use{path, p.take().Text})
				}
				path = nil
			case t.is("*"):
				path = append(path, "*")
			case t.is("self") && len(prefix) > 0:
			case t.Kind == Ident:
				path = append(path, t.Text)
			}
		}
		if len(path) > 0 {
			all = append(all, Use{path, path[len(path)-1]})
		}
	}
	return all
}

func (p *parser) function(i *Item) {
	i.Name = p.take().Text
	p.angles()
	if p.peek(0).group("(") {
		i.Params = bindings(inside(p.take()))
	}
	if p.accept("->") {
		i.Type = p.typeUntil("where", "{", ";")
	}
	p.body(i)
}

// body goes on to a block or a semicolon.
func (p *parser) body(i *Item) {
	for !p.done() {
		t := p.take()
		if t.group("{") {
			i.Body = block(t)
			return
		}
		if t.is(";") {
			return
		}
	}
}

// data reads what follows struct, union and enum.
func (p *parser) data(i *Item) {
	i.Name = p.take().Text
	p.angles()
	for !p.done() {
		t := p.take()
		switch {
		case t.group("{") && i.Kind == "enum":
			for _, v := range inside(t).split(",") {
				for _, g := range v {
					if g.group("{") {
						i.Fields = append(i.Fields, bindings(inside(g))...)
					}
				}
			}
			return
		case t.group("{"):
			i.Fields = bindings(inside(t))
			return
		case t.group("("):
			for n, f := range inside(t).split(",") {
				q := &parser{tokens: f}
				q.attrs()
				if q.accept("pub") && q.peek(0).group("(") {
					q.at++
				}
				i.Fields = append(i.Fields, Binding{Name: decimal(n), Type: q.tokens[min(q.at, len(q.tokens)):], Line: t.Line})
			}
			p.accept(";")
			return
		case t.is(";"):
			return
		}
	}
}

func decimal(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return decimal(n/10) + decimal(n%10)
}

// holder reads what follows trait and impl.
func (p *parser) holder(i *Item) {
	if i.Kind == "trait" {
		i.Name = p.take().Text
	}
	p.angles()
	head := p.typeUntil("{", ";")
	for n, t := range head {
		if t.is("for") && !(n+1 < len(head) && head[n+1].is("<")) {
			head = head[n+1:]
			break
		}
	}
	i.Type = head
	if p.peek(0).group("{") {
		i.Items = inside(p.take()).items()
	} else {
		p.accept(";")
	}
}

// bindings reads parameters and fields: "name: Type" with commas.
func bindings(p *parser) []Binding {
	var all []Binding
	for _, part := range p.split(",") {
		q := &parser{tokens: part}
		q.attrs()
		if q.accept("pub") && q.peek(0).group("(") {
			q.at++
		}
		line := q.peek(0).Line
		pattern := q.typeUntil(":")
		b := Binding{Name: simpleName(pattern), Line: line}
		if q.accept(":") {
			b.Type = q.tokens[q.at:]
		}
		if len(part) > 0 {
			all = append(all, b)
		}
	}
	return all
}

// split cuts the tokens at a punctuation outside of < >.
func (p *parser) split(at string) [][]Token {
	var all [][]Token
	for !p.done() {
		all = append(all, p.typeUntil(at))
		p.accept(at)
	}
	return all
}

// rules are what the arms of a macro_rules write, as one block.
func rules(g Token) *Block {
	b := &Block{Line: g.Line}
	in := inside(g)
	for !in.done() {
		if in.take().is("=>") && in.peek(0).Kind == Group {
			b.Stmts = append(b.Stmts, block(in.take()))
		}
	}
	return b
}

// block reads the statements of { … }.
func block(g Token) *Block {
	p := inside(g)
	b := &Block{Line: g.Line}
	for !p.done() {
		start := p.at
		if p.accept(";") || p.accept(",") {
			continue
		}
		if i := p.item(); i != nil {
			b.Stmts = append(b.Stmts, i)
			continue
		}
		p.attrs()
		if p.peek(0).is("let") {
			b.Stmts = append(b.Stmts, p.let(false))
			p.accept(";")
			continue
		}
		if e := p.expr(false); e != nil {
			b.Stmts = append(b.Stmts, e)
		}
		if p.at == start {
			p.at++
		}
	}
	return b
}

func (p *parser) let(condition bool) *Let {
	l := &Let{Line: p.take().Line}
	l.Pattern = p.typeUntil(":", "=", ";")
	if p.accept(":") {
		l.Type = p.typeUntil("=", ";")
	}
	if p.accept("=") {
		l.Init = p.expr(condition)
	}
	if !condition && p.accept("else") && p.peek(0).group("{") {
		l.Else = block(p.take())
	}
	return l
}

// words that begin an operand with a meaning of their own, or are operators.
var prefixes = strings.Fields("return break continue yield move mut ref raw dyn box become")
