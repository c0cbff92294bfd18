package rustsyntax

import "slices"

// expr reads an expression up to ",", ";", "=>", an "else" that isn't its own,
// or, where no struct literal may stand, a "{".
func (p *parser) expr(noStruct bool) *Expr {
	e := &Expr{Line: p.peek(0).Line}
	operand := true // one is wanted
	for !p.done() {
		t := p.peek(0)
		if t.is(",") || t.is(";") || t.is("=>") || t.is("else") || noStruct && t.group("{") && !operand {
			break
		}
		if !operand {
			// A block ends a statement without a semicolon.
			if blockLike(e) && !t.is("?") && !t.is(".") && !binary(t) {
				break
			}
			e.Ops = append(e.Ops, p.take())
			operand = true
			if t.is("as") {
				p.castType()
				operand = false
			}
			continue
		}
		if noStruct && t.group("{") && len(e.Terms) > 0 && !opensBlock(e) {
			break
		}
		if n := p.term(e, noStruct); n != nil {
			e.Terms = append(e.Terms, n)
			operand = false
			continue
		}
	}
	if len(e.Terms) == 0 && len(e.Ops) == 0 {
		return nil
	}
	return e
}

// opensBlock: the last operator wants an operand that may be a block.
func opensBlock(e *Expr) bool {
	return len(e.Ops) > 0 && !e.Ops[len(e.Ops)-1].is("..") && !e.Ops[len(e.Ops)-1].is("return") && !e.Ops[len(e.Ops)-1].is("break")
}

func binary(t Token) bool {
	return t.Kind == Punct && slices.Contains([]string{"==", "!=", "<=", ">", "+=", "-=", "*=", "/=", "%=", "^=", "=", "..", "..="}, t.Text)
}

func blockLike(e *Expr) bool {
	if len(e.Terms) != 1 || len(e.Ops) > 0 {
		return false
	}
	switch n := e.Terms[0].(type) {
	case *For, *Condition, *Block:
		return true
	case *Chain:
		return n.Kind == NodeBase && len(n.Links) == 0
	}
	return false
}

// castType skips the type after "as".
func (p *parser) castType() {
	for p.accept("&") || p.accept("*") || p.accept("mut") || p.accept("const") || p.accept("dyn") || p.accept("::") || p.peek(0).Kind == Lifetime {
		if p.peek(0).Kind == Lifetime {
			p.at++
		}
	}
	if p.peek(0).Kind == Group && !p.peek(0).group("{") {
		p.at++
		return
	}
	for p.peek(0).Kind == Ident {
		p.at++
		p.angles()
		if !p.accept("::") {
			return
		}
		p.angles()
	}
}

// term reads an operand, or takes a prefix operator into e and returns nil.
func (p *parser) term(e *Expr, noStruct bool) Node {
	t := p.peek(0)
	switch t.Kind {
	case Lifetime: // a label
		p.at++
		p.accept(":")
		return nil
	case Literal:
		p.at++
		return p.links(&Chain{Kind: LitBase, Lit: t, Line: t.Line})
	case Group:
		p.at++
		switch t.Text {
		case "(":
			return p.links(&Chain{Kind: ParenBase, Args: list(t.Inner), Line: t.Line})
		case "[":
			return p.links(&Chain{Kind: ArrayBase, Args: list(t.Inner), Line: t.Line})
		}
		return p.links(&Chain{Kind: NodeBase, Node: block(t), Line: t.Line})
	case Ident:
		return p.word(e, noStruct)
	}
	switch {
	case t.is("|"):
		return p.closure(noStruct)
	case t.is("#") && p.peek(1).group("["):
		p.at += 2
		return nil
	case t.is("::"), t.is("<"):
		if c := p.path(noStruct); c != nil {
			return p.links(c)
		}
	}
	e.Ops = append(e.Ops, p.take())
	return nil
}

// word reads what an identifier or a keyword begins.
func (p *parser) word(e *Expr, noStruct bool) Node {
	t := p.peek(0)
	switch t.Text {
	case "if", "while":
		return p.links(&Chain{Kind: NodeBase, Node: p.condition(), Line: t.Line})
	case "match":
		return p.links(&Chain{Kind: NodeBase, Node: p.match(), Line: t.Line})
	case "for":
		if f := p.forLoop(); f != nil {
			return f
		}
	case "let":
		return p.let(true)
	case "loop", "unsafe", "async", "const", "try":
		next := p.peek(1)
		if next.is("move") {
			next = p.peek(2)
		}
		if next.group("{") || next.is("|") {
			for !p.peek(0).group("{") && !p.peek(0).is("|") {
				p.at++
			}
			if p.peek(0).is("|") {
				return p.closure(noStruct)
			}
			return p.links(&Chain{Kind: NodeBase, Node: block(p.take()), Line: t.Line})
		}
	}
	if slices.Contains(prefixes, t.Text) || t.Text == "static" || t.Text == "in" || t.Text == "as" {
		e.Ops = append(e.Ops, p.take())
		return nil
	}
	return p.links(p.path(noStruct))
}

// path reads a path and the macro call or struct literal that it begins.
func (p *parser) path(noStruct bool) *Chain {
	start := p.at
	c := &Chain{Kind: PathBase, Line: p.peek(0).Line}
	if p.peek(0).is("<") {
		types := p.angles()
		if types == nil {
			p.at = start
			return nil
		}
		c.Types = append(c.Types, types)
		c.Path = append(c.Path, "<>")
	}
	for {
		if p.accept("::") {
			if types := p.angles(); types != nil {
				c.Types = append(c.Types, types)
				continue
			}
		} else if len(c.Path) > 0 {
			break
		}
		if p.peek(0).Kind != Ident {
			break
		}
		c.Path = append(c.Path, p.take().Text)
	}
	if len(c.Path) == 0 {
		p.at = start
		return nil
	}
	switch {
	case p.peek(0).is("!") && p.peek(1).Kind == Group:
		p.at++
		g := p.take()
		c.Kind, c.Raw = MacroBase, g.Inner
		if !writesCode(c.Path[len(c.Path)-1]) {
			c.Args = list(g.Inner)
		}
	case p.peek(0).group("{") && !noStruct:
		c.Kind = StructBase
		for _, f := range inside(p.take()).split(",") {
			q := &parser{tokens: f}
			q.attrs()
			if q.peek(0).Kind == Ident && q.peek(1).is(":") {
				q.at += 2
			}
			if v := q.expr(false); v != nil {
				c.Args = append(c.Args, v)
			}
		}
	}
	return c
}

// writesCode: what is between the brackets is code that is written, not run.
func writesCode(name string) bool {
	return slices.Contains([]string{"quote", "quote_spanned", "parse_quote", "parse_quote_spanned", "stringify", "macro_rules"}, name)
}

// list reads expressions with commas or semicolons between them.
func list(tokens []Token) []*Expr {
	p := &parser{tokens: tokens}
	var all []*Expr
	for !p.done() {
		start := p.at
		if p.accept(",") || p.accept(";") || p.accept("=>") || p.accept("else") {
			continue
		}
		if e := p.expr(false); e != nil {
			all = append(all, e)
		}
		if p.at == start {
			p.at++
		}
	}
	return all
}

// links reads what is done with an operand.
func (p *parser) links(c *Chain) Node {
	if c == nil {
		return nil
	}
	for {
		t := p.peek(0)
		switch {
		case t.is("?"):
			p.at++
			c.Links = append(c.Links, Link{Kind: Try, Line: t.Line})
		case t.is(".") && (p.peek(1).Kind == Ident || p.peek(1).Kind == Literal):
			name := p.peek(1)
			p.at += 2
			l := Link{Kind: Field, Name: name.Text, Line: name.Line}
			if p.peek(0).is("::") && p.peek(1).is("<") {
				p.at++
				l.Types = p.angles()
			}
			if p.peek(0).group("(") && name.Kind == Ident {
				l.Kind, l.Args = Method, list(p.take().Inner)
			}
			c.Links = append(c.Links, l)
		case t.group("(") && c.Kind != NodeBase:
			p.at++
			c.Links = append(c.Links, Link{Kind: Call, Args: list(t.Inner), Line: t.Line})
		case t.group("[") && c.Kind != NodeBase:
			p.at++
			c.Links = append(c.Links, Link{Kind: Index, Args: list(t.Inner), Line: t.Line})
		default:
			return c
		}
	}
}

// closure reads |…| ….
func (p *parser) closure(noStruct bool) Node {
	c := &Closure{Line: p.take().Line}
	params := &parser{tokens: p.typeUntil("|")}
	p.accept("|")
	c.Params = bindings(params)
	if p.accept("->") {
		p.typeUntil("{")
	}
	c.Body = p.expr(noStruct)
	return c
}

func (p *parser) condition() *Condition {
	c := &Condition{Kind: p.peek(0).Text, Line: p.take().Line}
	c.On = p.expr(true)
	if !p.peek(0).group("{") {
		return c
	}
	c.Blocks = append(c.Blocks, block(p.take()))
	if c.Kind == "if" && p.accept("else") {
		switch {
		case p.peek(0).is("if"):
			c.Blocks = append(c.Blocks, p.condition())
		case p.peek(0).group("{"):
			c.Blocks = append(c.Blocks, block(p.take()))
		}
	}
	return c
}

func (p *parser) match() *Condition {
	c := &Condition{Kind: "match", Line: p.take().Line}
	c.On = p.expr(true)
	if !p.peek(0).group("{") {
		return c
	}
	arms := inside(p.take())
	for !arms.done() {
		arms.attrs()
		for !arms.done() && !arms.peek(0).is("=>") {
			if arms.accept("if") {
				if e := arms.expr(false); e != nil {
					c.Blocks = append(c.Blocks, e)
				}
				continue
			}
			arms.at++
		}
		arms.accept("=>")
		if e := arms.expr(false); e != nil {
			c.Blocks = append(c.Blocks, e)
		}
		arms.accept(",")
	}
	return c
}

// forLoop reads a for loop, or moves nothing: "for<'a>" begins something else.
func (p *parser) forLoop() Node {
	start := p.at
	f := &For{Line: p.take().Line}
	f.Pattern = p.typeUntil("in")
	if !p.accept("in") {
		p.at = start
		return nil
	}
	f.In = p.expr(true)
	if p.peek(0).group("{") {
		f.Body = block(p.take())
	}
	return f
}
