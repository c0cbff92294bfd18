// Package rustsyntax reads Rust source text as a syntax tree.
//
// It is for asking what code says, not for compiling it: which macros are
// called, which methods on what, which names a `let` or a parameter gives which
// type. Every edition is read alike.
//
// # What the tree has
//
// Items with their attributes, blocks, `let`, `for`, `match`, closures, and of
// an expression its operands, each a [Chain]: a base (a path, a literal, a group,
// a macro call, a block) and what is done with it in turn (calls, methods,
// fields, indices, `?`). The precedence of operators is not in it.
//
// # What it hasn't
//
// Types are tokens, patterns are tokens, names aren't resolved, and macros aren't
// expanded: the arguments of a call are read as a list of expressions, whatever
// the macro makes of them. Text that no compiler would take gives a tree as well,
// of the parts that were understood. An error is text that has no tokens: an
// unclosed string, comment or bracket, one nested deeper than [MaxDepth], a
// file of more than [MaxSize] bytes.
package rustsyntax
