package rustsyntax

import "strings"

// Node is *Item, *Block, *Let, *For, *Closure, *Chain or *Condition.
type Node interface{ node() }

// File is a source file.
type File struct {
	Attrs []Attr
	Items []*Item
}

// Attr is an attribute: #[path] or #[path(…)] or #[path = …].
type Attr struct {
	Path string // "cfg", "rustfmt::skip"
	Args []Token
	Line int
}

// Item is what a module, an impl, a trait or a block can hold.
type Item struct {
	Kind   string // "fn", "mod", "use", "struct", "enum", "union", "trait", "impl", "static", "const", "type", "macro_rules", "extern", "macro" for a call
	Name   string // "" for use, impl and extern
	Line   int
	Attrs  []Attr
	Public bool

	Uses   []Use     // of use
	Params []Binding // of fn
	Type   []Token   // of static, const and type; what a fn returns; what an impl is for
	Fields []Binding // of struct and union; of an enum those of its variants
	Items  []*Item   // of mod, impl, trait and extern
	Body   *Block    // of fn; of macro_rules what its rules write
	Value  *Expr     // of static and const; of a macro its call
	Inline bool      // a mod with its content
}

// Use is one name that a use brings.
type Use struct {
	Path []string // "std", "collections", "HashMap"; the last may be "*"
	As   string   // the name here, "_" for none
}

// Binding is a name with a type.
type Binding struct {
	Name string // "" for a pattern of several
	Type []Token
	Line int
}

// Block is { … }.
type Block struct {
	Stmts []Node
	Line  int
}

// Let is a let statement. In a condition it is one, too.
type Let struct {
	Pattern []Token
	Type    []Token
	Init    *Expr
	Else    *Block
	Line    int
}

// Name is the name that the whole value gets, "" if the pattern takes it apart.
func (l *Let) Name() string { return simpleName(l.Pattern) }

// For is a for loop.
type For struct {
	Pattern []Token
	In      *Expr
	Body    *Block
	Line    int
}

// Closure is |…| ….
type Closure struct {
	Params []Binding
	Body   *Expr
	Line   int
}

// Condition is an if, a while or a match: an expression and blocks.
type Condition struct {
	Kind   string // "if", "while", "match"
	On     *Expr
	Blocks []Node // the branches; of a match the arms, *Expr
	Line   int
}

// Expr is an expression: its operands and closures, and the operators between
// them as they stand.
type Expr struct {
	Terms []Node  // *Chain, *For, *Closure, *Condition, *Block, *Let
	Ops   []Token // punctuation, "as", "return", "break", …
	Line  int
}

// BaseKind is what a chain begins with.
type BaseKind uint8

const (
	PathBase   BaseKind = iota // std::env::var, x, Self
	LitBase                    // 1, "x"
	ParenBase                  // (…), a tuple too
	ArrayBase                  // […]
	MacroBase                  // name!(…)
	StructBase                 // Name { … }
	NodeBase                   // a block, an if, a match
)

// Chain is an operand: x.a(1)?.b[2].
type Chain struct {
	Kind  BaseKind
	Path  []string  // of PathBase, MacroBase and StructBase, without generic arguments
	Types [][]Token // the generic arguments that stood in Path, in order
	Lit   Token
	Args  []*Expr // of ParenBase, ArrayBase, MacroBase and StructBase
	Raw   []Token // of MacroBase: what stands between the brackets
	Node  Node    // of NodeBase
	Links []Link
	Line  int
}

// LinkKind is what is done with an operand.
type LinkKind uint8

const (
	Call   LinkKind = iota // (…)
	Method                 // .name::<Types>(…)
	Field                  // .name, .0, .await
	Index                  // […]
	Try                    // ?
)

// Link is one step of a chain.
type Link struct {
	Kind  LinkKind
	Name  string
	Types []Token
	Args  []*Expr
	Line  int
}

func (*Item) node()      {}
func (*Block) node()     {}
func (*Let) node()       {}
func (*For) node()       {}
func (*Closure) node()   {}
func (*Condition) node() {}
func (*Chain) node()     {}
func (*Expr) node()      {}

// simpleName takes the name of "x", "mut x", "ref mut x" and "&x".
func simpleName(pattern []Token) string {
	for len(pattern) > 1 && (pattern[0].is("mut") || pattern[0].is("ref") || pattern[0].is("&")) {
		pattern = pattern[1:]
	}
	if len(pattern) == 1 && pattern[0].Kind == Ident && pattern[0].Text != "_" {
		return pattern[0].Text
	}
	return ""
}

// Text is tokens as one line, for people and for comparing.
func Text(tokens []Token) string {
	var b strings.Builder
	write(&b, tokens)
	return b.String()
}

var closing = map[string]string{"(": ")", "[": "]", "{": "}"}

func write(b *strings.Builder, tokens []Token) {
	word := false
	for _, t := range tokens {
		isWord := t.Kind != Punct && t.Kind != Group
		if word && isWord {
			b.WriteByte(' ')
		}
		word = isWord
		b.WriteString(t.Text)
		if t.Kind == Group {
			write(b, t.Inner)
			b.WriteString(closing[t.Text])
		}
	}
}

// Test says whether the item is left out of everything but tests: #[test], #[cfg(test)].
func (i *Item) Test() bool {
	for _, a := range i.Attrs {
		if a.Path == "test" || a.Path == "cfg" && Text(a.Args) == "(test)" {
			return true
		}
	}
	return false
}

// Attr returns the attribute of that path.
func (i *Item) Attr(path string) (Attr, bool) {
	for _, a := range i.Attrs {
		if a.Path == path {
			return a, true
		}
	}
	return Attr{}, false
}

// Value is the string of #[path = "…"].
func (a Attr) Value() (string, bool) {
	if len(a.Args) == 2 && a.Args[0].is("=") {
		return StringValue(a.Args[1])
	}
	return "", false
}

// Walk calls f for n and, as long as f says true, for what is in it.
func Walk(n Node, f func(Node) bool) {
	if !f(n) {
		return
	}
	expr := func(e *Expr) {
		if e != nil {
			Walk(e, f)
		}
	}
	block := func(b *Block) {
		if b != nil {
			Walk(b, f)
		}
	}
	switch n := n.(type) {
	case *Item:
		for _, i := range n.Items {
			Walk(i, f)
		}
		block(n.Body)
		expr(n.Value)
	case *Block:
		for _, s := range n.Stmts {
			Walk(s, f)
		}
	case *Let:
		expr(n.Init)
		block(n.Else)
	case *For:
		expr(n.In)
		block(n.Body)
	case *Closure:
		expr(n.Body)
	case *Condition:
		expr(n.On)
		for _, b := range n.Blocks {
			Walk(b, f)
		}
	case *Expr:
		for _, t := range n.Terms {
			Walk(t, f)
		}
	case *Chain:
		for _, a := range n.Args {
			Walk(a, f)
		}
		if n.Node != nil {
			Walk(n.Node, f)
		}
		for _, l := range n.Links {
			for _, a := range l.Args {
				Walk(a, f)
			}
		}
	}
}

// Walk calls f for every node of the file.
func (f *File) Walk(visit func(Node) bool) {
	for _, i := range f.Items {
		Walk(i, visit)
	}
}
