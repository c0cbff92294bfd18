package rustsyntax

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		`a::b`:                                   "a :: b",
		"x // c\n/* a /* b */ c */y":             "x y",
		`'a 'a' '\'' b'x' '\u{1F}'`:              `'a 'a' '\'' b'x' '\u{1F}'`,
		`"a\"b" r"a\" r#"a"b"# br##"x"#"## c"n"`: `"a\"b" r"a\" r#"a"b"# br##"x"#"## c"n"`,
		`r#type r#a r#"x"#`:                      `r#type a r#"x"#`,
		`1..2 1.0e-3f32 0x1f 1.max(2) t.0.1 1.`:  `1 .. 2 1.0e-3f32 0x1f 1 . max ( 2 ) t . 0.1 1.`,
		`Vec<Vec<u8>>= ->`:                       "Vec < Vec < u8 > > = ->",
		"#!/bin/run\nfn":                         "fn",
		"#![a]\nfn":                              "# ! [ a ] fn",
		"'\u00e9' '\u00e9x":                      "'\u00e9' '\u00e9x",
		`b"x" brx cx r`:                          `b"x" brx cx r`,
	} {
		tokens, err := Tokens(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := flat(tokens); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func flat(tokens []Token) string {
	var all []string
	for _, t := range tokens {
		all = append(all, t.Text)
		if t.Kind == Group {
			if in := flat(t.Inner); in != "" {
				all = append(all, in)
			}
			all = append(all, closing[t.Text])
		}
	}
	return strings.Join(all, " ")
}

func TestErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"\n\"a":                         "2: a string is not closed",
		"\nr#\"a\"":                     "2: a string is not closed",
		"\n/* /* */":                    "2: a comment is not closed",
		"\n(\n":                         `2: "(" is not closed`,
		"\n)":                           `2: ")" closes nothing`,
		"(\n]":                          `2: "]" closes the "(" of line 1`,
		"\n'\\":                         "2: a character is not closed",
		strings.Repeat("(", MaxDepth+1): "more than 512 brackets",
		strings.Repeat("x", MaxSize+1):  "more than",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, not %s", text, err, want)
		}
	}
}

// outline renders a tree so that a test can say what it should be.
func outline(n Node) string {
	list := func(all []*Expr) string {
		var s []string
		for _, e := range all {
			s = append(s, outline(e))
		}
		return strings.Join(s, ", ")
	}
	block := func(b *Block) string {
		if b == nil {
			return ""
		}
		return outline(b)
	}
	switch n := n.(type) {
	case *Item:
		s := n.Kind + " " + n.Name
		for _, u := range n.Uses {
			s += "[" + strings.Join(u.Path, "::") + " as " + u.As + "]"
		}
		for _, p := range append(n.Params, n.Fields...) {
			s += "(" + p.Name + ": " + Text(p.Type) + ")"
		}
		if len(n.Type) > 0 {
			s += "<" + Text(n.Type) + ">"
		}
		for _, i := range n.Items {
			s += "{" + outline(i) + "}"
		}
		if n.Value != nil {
			s += " = " + outline(n.Value)
		}
		return s + block(n.Body)
	case *Block:
		var s []string
		for _, x := range n.Stmts {
			s = append(s, outline(x))
		}
		return "{" + strings.Join(s, "; ") + "}"
	case *Let:
		s := "let " + Text(n.Pattern)
		if len(n.Type) > 0 {
			s += ": " + Text(n.Type)
		}
		if n.Init != nil {
			s += " = " + outline(n.Init)
		}
		return s + block(n.Else)
	case *For:
		return "for " + Text(n.Pattern) + " in " + outline(n.In) + block(n.Body)
	case *Closure:
		s := "|"
		for _, p := range n.Params {
			s += p.Name + ":" + Text(p.Type) + ","
		}
		if n.Body == nil {
			return s + "|"
		}
		return s + "| " + outline(n.Body)
	case *Condition:
		s := n.Kind + " " + outline(n.On)
		for _, b := range n.Blocks {
			s += " " + outline(b)
		}
		return s
	case *Expr:
		var s []string
		for _, x := range n.Terms {
			s = append(s, outline(x))
		}
		return strings.Join(s, " ")
	case *Chain:
		s := strings.Join(n.Path, "::")
		switch n.Kind {
		case LitBase:
			s = n.Lit.Text
		case ParenBase:
			s = "(" + list(n.Args) + ")"
		case ArrayBase:
			s = "[" + list(n.Args) + "]"
		case MacroBase:
			s += "!(" + list(n.Args) + ")"
		case StructBase:
			s += "{" + list(n.Args) + "}"
		case NodeBase:
			s = outline(n.Node)
		}
		for _, l := range n.Links {
			switch l.Kind {
			case Call:
				s += "(" + list(l.Args) + ")"
			case Method:
				s += "." + l.Name
				if l.Types != nil {
					s += "::<" + Text(l.Types) + ">"
				}
				s += "(" + list(l.Args) + ")"
			case Field:
				s += "." + l.Name
			case Index:
				s += "[" + list(l.Args) + "]"
			case Try:
				s += "?"
			}
		}
		return s
	}
	return fmt.Sprintf("%T", n)
}

func TestTree(t *testing.T) {
	for text, want := range map[string]string{
		`use std::{collections::{HashMap as M, self}, fs::*, io}; use a::b;`:                              "use [std::collections::HashMap as M][std::collections as collections][std::fs::* as *][std::io as io] | use [a::b as b]",
		`pub(crate) fn f<T: A<B>>(mut a: &T, (b, c): (u8, u8)) -> HashMap<K, V> where T: X {}`:            "fn f(a: &T)(: (u8,u8))<HashMap<K,V>>{}",
		`#[cfg(test)] mod t { fn a() {} } mod x;`:                                                         "mod t{fn a{}} | mod x",
		`pub struct S<T> { pub a: HashMap<u8, T>, b: u8 } struct U(pub u8, V<u8>); struct Z;`:             "struct S(a: HashMap<u8,T>)(b: u8) | struct U(0: u8)(1: V<u8>) | struct Z",
		`enum E { A { x: u8 }, B(u8), C = 1 }`:                                                            "enum E(x: u8)",
		`impl<T> Iterator for S<T> { type Item = u8; const N: u8 = 1; unsafe extern "C" fn n(&self) {} }`: "impl <S<T>>{type Item<u8>}{const N<u8> = 1}{fn n(self: ){}}",
		`static mut T: [u8; 2] = [1, 2]; type A = B<C>;`:                                                  "static T<[u8;2]> = [1, 2] | type A<B<C>>",
		`fn f() { let x: V<u8>= a.b::<C>(1)?.d[2].await; x }`:                                             "fn f{let x: V<u8> = a.b::<C>(1)?.d[2].await; x}",
		`fn f() { for (k, v) in &m.iter() { g(k); } h() }`:                                                "fn f{for (k,v) in m.iter(){g(k)}; h()}",
		`fn f() { if let Some(x) = m.get(1) { a } else if S { b } else { c } }`:                           "fn f{if let Some(x) = m.get(1) {a} if S {b} {c}}",
		`fn f() { match x { A { y } if y > 1 => z, B(_) | C => { w } _ => {} } }`:                         "fn f{match x y 1 z {w} {}}",
		`fn f() { let g = move |a: u8, b| -> u8 { a + b }; v.map(|x| x + 1).sum::<u8>() }`:                "fn f{let g = |a:u8,b:,| {a b}; v.map(|x:,| x 1).sum::<u8>()}",
		`fn f() { println!("{x}", y.z(), a = 1); vec![1; 2] }`:                                            `fn f{println!("{x}", y.z(), a 1); vec!(1, 2)}`,
		`fn f() { S { a: b, c, ..d } }`:                                                                   "fn f{S{b, c, d}}",
		`fn f() { quote! { for x in map {} } }`:                                                           "fn f{quote!()}",
		`fn f() { let Some(x) = y else { return }; <A as B>::c(1); x as u8 + 1 }`:                         "fn f{let Some(x) = y{}; <>::c(1); x 1}",
		`fn f() { 'a: loop { break 'a 1 } while x < 2 { } }`:                                              "fn f{{1}; while x 2 {}}",
		`macro_rules! m { ($x:expr) => { $x.iter() }; () => {} }`:                                         "macro_rules m{{x.iter()}; {}}",
		`extern "C" { fn g(a: u8); } extern crate x;`:                                                     "extern {fn g(a: u8)} | extern ",
		`include!("x.rs"); a::b! { c } fn f() {}`:                                                         `macro include = include!("x.rs") | macro b = a::b!(c) | fn f{}`,
		`fn f() { a < b && c > d; std::env::var("X") }`:                                                   `fn f{a b c d; std::env::var("X")}`,
		`fn f() { union = 1; r#match(2) }`:                                                                "fn f{union 1; r#match(2)}",
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, i := range f.Items {
			got = append(got, outline(i))
		}
		if d := cmp.Diff(want, strings.Join(got, " | ")); d != "" {
			t.Errorf("%s\n%s", text, d)
		}
	}
}

func TestAttributes(t *testing.T) {
	f, err := Parse("#![allow(x)]\n#[path = \"a/b.rs\"]\nmod a;\n#[cfg(test)]\nmod t {}\n#[derive(A)]\nstruct S;")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := f.Items[0].Attr("path")
	if v, ok := a.Value(); !ok || v != "a/b.rs" || a.Line != 2 {
		t.Errorf("path = %q, %v", v, a)
	}
	if f.Items[0].Test() || !f.Items[1].Test() || f.Attrs[0].Path != "allow" {
		t.Errorf("%+v", f)
	}
}

func TestStringValue(t *testing.T) {
	for text, want := range map[string]string{`"a\"b"`: `a"b`, `r#"a"b"#`: `a"b`, `b"x"`: "x", `"a\nb"`: "a\nb", `br"x"`: "x"} {
		tokens, err := Tokens(text)
		if got, ok := StringValue(tokens[0]); err != nil || !ok || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

// Every Rust file that is on this machine is read, those of this repository
// at least.
func TestRealFiles(t *testing.T) {
	dirs := []string{"../../examples"}
	if home, err := os.UserHomeDir(); err == nil && !testing.Short() {
		dirs = append(dirs, filepath.Join(home, ".cargo", "registry", "src"))
	}
	n := 0
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(p) != ".rs" || n > 1_000 {
				return nil
			}
			data, err := os.ReadFile(p)
			if err != nil {
				return nil
			}
			n++
			f, err := Parse(string(data))
			if err != nil {
				t.Logf("%s:%v", p, err)
				return nil
			}
			f.Walk(func(Node) bool { return true })
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n < 20 {
		t.Errorf("only %d files", n)
	}
}

func FuzzParse(f *testing.F) {
	mutate.Add(f, "fn f() { for (k, v) in &m { println!(\"{k}\"); } let x: A<B>= c.d::<E>(|a| b)?; match x { A => {} _ => 1, } }")
	mutate.Add(f, "use a::{b as c, *}; struct S<T>(pub T); impl<T> A for B<T> where T: C {} macro_rules! m { () => { 1 } }")
	mutate.Add(f, "'a: loop { S { a, ..b } as u8 < 3 }")
	mutate.Add(f, "static X: T = if let A = b { c } else { d };")
	f.Fuzz(func(t *testing.T, s string) {
		if file, err := Parse(s); err == nil {
			file.Walk(func(Node) bool { return true })
		}
	})
}
