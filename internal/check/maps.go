package check

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/rustsyntax"
)

// order is what is known of how a value lists its elements.
type order uint8

const (
	unknown   order = iota
	unordered       // a map or a set with a random hasher
	collector       // a map or a set of any kind: inserting in any order is the same
)

var (
	unorderedTypes = strings.Fields("HashMap HashSet AHashMap AHashSet DashMap DashSet")
	orderedTypes   = strings.Fields("BTreeMap BTreeSet BinaryHeap")
	// transparent types hand through what is done with them.
	transparent = strings.Fields("Option Result Box Rc Arc RefCell Cell Mutex RwLock LazyLock OnceLock Lazy OnceCell LazyCell Cow Ref RefMut MutexGuard")
	iterating   = strings.Fields(`iter iter_mut into_iter keys into_keys values values_mut into_values drain extract_if par_iter
		union intersection difference symmetric_difference`)
	same = strings.Fields(`clone unwrap expect unwrap_or_default lock read write borrow borrow_mut as_ref as_mut to_owned cloned get_mut into_inner
		deref deref_mut get_or_init unwrap_or_else unwrap_or by_ref`)
	orderFree = strings.Fields("count len sum product min max min_by max_by min_by_key max_by_key any all is_empty sorted sorted_by sorted_by_key sorted_unstable sorted_unstable_by sorted_unstable_by_key")
	sorting   = strings.Fields("sort sort_by sort_by_key sort_by_cached_key sort_unstable sort_unstable_by sort_unstable_by_key")
	consuming = strings.Fields("extend zip chain from_iter")
	writers   = strings.Fields("to_string to_string_pretty to_vec to_vec_pretty to_writer to_writer_pretty to_value serialize")
	formats   = strings.Fields("format print println eprint eprintln write writeln panic format_args unimplemented todo unreachable assert debug info")
)

// declared is what the files of one crate say about names.
type declared struct {
	types   map[string]order // type names, aliases included
	fields  map[string]order
	results map[string]order // of functions and methods
	statics map[string]order
}

// An unorderedUse is a place where the order of a map gets out.
type unorderedUse struct {
	File string
	Line int
	Text string
}

// unorderedUses finds them in the files of one crate.
func unorderedUses(files map[string]*rustsyntax.File) []unorderedUse {
	d := &declared{types: map[string]order{}, fields: map[string]order{}, results: map[string]order{}, statics: map[string]order{}}
	for _, t := range unorderedTypes {
		d.types[t] = unordered
	}
	for _, t := range orderedTypes {
		d.types[t] = collector
	}
	names := slices.Sorted(maps.Keys(files))
	// Aliases may be used above their declaration, and in other files.
	for range 2 {
		for _, name := range names {
			if f := files[name]; f != nil {
				d.read(f)
			}
		}
	}
	var all []unorderedUse
	for _, name := range names {
		f := files[name]
		if f == nil {
			continue
		}
		v := &mapVisitor{declared: d, file: name, seen: map[int]bool{}}
		for _, i := range f.Items {
			v.item(i)
		}
		all = append(all, v.found...)
	}
	return all
}

func (d *declared) read(f *rustsyntax.File) {
	f.Walk(func(n rustsyntax.Node) bool {
		i, ok := n.(*rustsyntax.Item)
		if !ok {
			return true
		}
		switch i.Kind {
		case "use":
			for _, u := range i.Uses {
				if o := d.types[u.Path[len(u.Path)-1]]; o != unknown && u.As != u.Path[len(u.Path)-1] {
					d.types[u.As] = o
				}
			}
		case "type":
			if o := d.typeOrder(i.Type); o != unknown {
				d.types[i.Name] = o
			}
		case "static", "const":
			if o := d.typeOrder(i.Type); o != unknown {
				d.statics[i.Name] = o
			}
		case "fn":
			if o := d.typeOrder(i.Type); o != unknown {
				d.results[i.Name] = o
			}
		}
		for _, b := range i.Fields {
			if o := d.typeOrder(b.Type); o != unknown && b.Name != "" {
				d.fields[b.Name] = o
			}
		}
		return true
	})
}

// typeOrder is the order of a type: its own, or that of what it hands through.
func (d *declared) typeOrder(t []rustsyntax.Token) order {
	for i := 0; i < len(t); i++ {
		tok := t[i]
		switch {
		case tok.Kind == rustsyntax.Lifetime, tok.Text == "&", tok.Text == "mut", tok.Text == "dyn", tok.Text == "impl", tok.Text == "::", tok.Text == "const", tok.Text == "*":
		case tok.Kind == rustsyntax.Group && tok.Text == "(" && len(tok.Inner) > 0 && !hasComma(tok.Inner):
			return d.typeOrder(tok.Inner)
		case tok.Kind == rustsyntax.Ident:
			if i+1 < len(t) && t[i+1].Text == "::" && !(i+2 < len(t) && t[i+2].Text == "<") {
				continue // a module
			}
			args := t[min(i+1, len(t)):]
			o := d.types[tok.Text]
			if o == unordered && fixedHasher(tok.Text, args) {
				return collector
			}
			if o != unknown {
				return o
			}
			if slices.Contains(transparent, tok.Text) && len(args) > 1 && args[0].Text == "<" {
				return d.typeOrder(args[1:])
			}
			return unknown
		default:
			return unknown
		}
	}
	return unknown
}

func hasComma(t []rustsyntax.Token) bool {
	return slices.ContainsFunc(t, func(x rustsyntax.Token) bool { return x.Kind == rustsyntax.Punct && x.Text == "," })
}

// fixedHasher says whether the generic arguments of a map or set name a hasher,
// and another than one with a random seed.
func fixedHasher(name string, args []rustsyntax.Token) bool {
	place := 2 // of the hasher: HashMap<K, V, S>, HashSet<T, S>
	if strings.HasSuffix(name, "Set") {
		place = 1
	}
	depth, commas := 0, 0
	hasher := ""
	for _, t := range args {
		switch {
		case t.Text == "<":
			depth++
		case t.Text == ">":
			depth--
		case t.Text == "," && depth == 1:
			commas++
		case t.Kind == rustsyntax.Ident && depth == 1 && commas == place:
			hasher = t.Text
		}
		if depth <= 0 {
			break
		}
	}
	return hasher != "" && hasher != "RandomState" && hasher != "_" && hasher != "S"
}

// mapVisitor walks one file with the names that are in scope.
type mapVisitor struct {
	*declared
	file  string
	scope []map[string]order
	found []unorderedUse
	seen  map[int]bool
	// free are lines where a vector is made that is sorted later.
	sorted map[string]bool
}

func (v *mapVisitor) report(line int, what string) {
	if !v.seen[line] {
		v.seen[line] = true
		v.found = append(v.found, unorderedUse{v.file, line, what})
	}
}

func (v *mapVisitor) push() { v.scope = append(v.scope, map[string]order{}) }
func (v *mapVisitor) pop()  { v.scope = v.scope[:len(v.scope)-1] }

func (v *mapVisitor) set(name string, o order) {
	if name != "" && len(v.scope) > 0 {
		v.scope[len(v.scope)-1][name] = o
	}
}

func (v *mapVisitor) lookup(name string) order {
	for _, s := range slices.Backward(v.scope) {
		if o, ok := s[name]; ok {
			return o
		}
	}
	return v.statics[name]
}

func (v *mapVisitor) item(i *rustsyntax.Item) {
	if i.Test() {
		return
	}
	outer, sorted := v.scope, v.sorted
	v.scope = nil // a function sees no local of the one around it
	v.push()
	for _, p := range i.Params {
		v.set(p.Name, v.typeOrder(p.Type))
	}
	for _, x := range i.Items {
		v.item(x)
	}
	if i.Body != nil {
		v.block(i.Body)
	}
	v.expr(i.Value)
	v.scope, v.sorted = outer, sorted
}

func (v *mapVisitor) block(b *rustsyntax.Block) {
	v.push()
	outer := v.sorted
	v.sorted = sortedIn(b, outer)
	for _, s := range b.Stmts {
		v.node(s)
	}
	v.sorted = outer
	v.pop()
}

// sortedIn are the names that a statement of the block sorts.
func sortedIn(b *rustsyntax.Block, outer map[string]bool) map[string]bool {
	all := maps.Clone(outer)
	if all == nil {
		all = map[string]bool{}
	}
	for _, s := range b.Stmts {
		e, ok := s.(*rustsyntax.Expr)
		if !ok || len(e.Terms) != 1 {
			continue
		}
		c, ok := e.Terms[0].(*rustsyntax.Chain)
		if ok && c.Kind == rustsyntax.PathBase && len(c.Path) == 1 && len(c.Links) > 0 && slices.Contains(sorting, c.Links[len(c.Links)-1].Name) {
			all[c.Path[0]] = true
		}
	}
	return all
}

func (v *mapVisitor) node(n rustsyntax.Node) {
	switch n := n.(type) {
	case *rustsyntax.Item:
		v.item(n)
	case *rustsyntax.Block:
		v.block(n)
	case *rustsyntax.Let:
		v.let(n)
	case *rustsyntax.For:
		v.loop(n)
	case *rustsyntax.Closure:
		v.push()
		for _, p := range n.Params {
			v.set(p.Name, v.typeOrder(p.Type))
		}
		v.expr(n.Body)
		v.pop()
	case *rustsyntax.Condition:
		v.push()
		v.expr(n.On)
		for _, b := range n.Blocks {
			v.node(b)
		}
		v.pop()
	case *rustsyntax.Expr:
		v.expr(n)
	case *rustsyntax.Chain:
		v.chain(n, unknown, false)
	}
}

func (v *mapVisitor) expr(e *rustsyntax.Expr) {
	if e == nil {
		return
	}
	for _, t := range e.Terms {
		v.node(t)
	}
}

func (v *mapVisitor) let(l *rustsyntax.Let) {
	o := v.typeOrder(l.Type)
	name := l.Name()
	if l.Init != nil {
		if len(l.Init.Terms) == 1 {
			if c, ok := l.Init.Terms[0].(*rustsyntax.Chain); ok {
				v.chain(c, o, v.sorted[name])
			} else {
				v.expr(l.Init)
			}
		} else {
			v.expr(l.Init)
		}
		if o == unknown && len(l.Type) == 0 {
			o = v.exprOrder(l.Init)
		}
	}
	if l.Else != nil {
		v.block(l.Else)
	}
	if name == "" && len(l.Pattern) == 2 && l.Pattern[1].Kind == rustsyntax.Group && (l.Pattern[0].Text == "Some" || l.Pattern[0].Text == "Ok") {
		in := l.Pattern[1].Inner
		for len(in) > 1 && (in[0].Text == "mut" || in[0].Text == "ref") {
			in = in[1:]
		}
		if len(in) == 1 {
			name = in[0].Text
		}
	}
	v.set(name, o)
}

func (v *mapVisitor) loop(f *rustsyntax.For) {
	if f.In != nil {
		switch o := v.exprOrder(f.In); {
		case o == unordered && !v.onlyInserts(f.Body):
			v.report(f.Line, "a for loop over a map or set without an order")
		case o == unordered:
		case len(f.In.Terms) == 1:
			c, ok := f.In.Terms[0].(*rustsyntax.Chain)
			if ok {
				v.chain(c, unknown, v.onlyInserts(f.Body))
			} else {
				v.expr(f.In)
			}
		default:
			v.expr(f.In)
		}
	}
	if f.Body != nil {
		v.push()
		for _, t := range f.Pattern {
			if t.Kind == rustsyntax.Ident {
				v.set(t.Text, unknown)
			}
		}
		v.block(f.Body)
		v.pop()
	}
}

// onlyInserts says whether a block does nothing but fill maps and sets.
func (v *mapVisitor) onlyInserts(b *rustsyntax.Block) bool {
	if b == nil || len(b.Stmts) == 0 {
		return false
	}
	for _, s := range b.Stmts {
		e, ok := s.(*rustsyntax.Expr)
		if !ok || len(e.Terms) != 1 || len(e.Ops) > 0 {
			return false
		}
		c, ok := e.Terms[0].(*rustsyntax.Chain)
		if !ok || len(c.Links) == 0 || c.Links[len(c.Links)-1].Kind != rustsyntax.Method || c.Links[len(c.Links)-1].Name != "insert" {
			return false
		}
		if v.prefixOrder(c, len(c.Links)-1) == unknown {
			return false
		}
	}
	return true
}

// exprOrder is what the value of an expression is, as far as its text says.
func (v *mapVisitor) exprOrder(e *rustsyntax.Expr) order {
	if e == nil || len(e.Terms) != 1 {
		return unknown
	}
	for _, op := range e.Ops {
		if op.Text != "&" && op.Text != "mut" && op.Text != "*" {
			return unknown
		}
	}
	if c, ok := e.Terms[0].(*rustsyntax.Chain); ok {
		return v.prefixOrder(c, len(c.Links))
	}
	return unknown
}

// prefixOrder is the order of a chain's first n links.
func (v *mapVisitor) prefixOrder(c *rustsyntax.Chain, n int) order {
	o := unknown
	start := 0
	switch c.Kind {
	case rustsyntax.PathBase:
		switch {
		case len(c.Path) == 1 && n > 0 && c.Links[0].Kind == rustsyntax.Call:
			o, start = v.results[c.Path[0]], 1
		case len(c.Path) == 1:
			o = v.lookup(c.Path[0])
		case n > 0 && c.Links[0].Kind == rustsyntax.Call:
			start = 1
			if t := v.types[c.Path[len(c.Path)-2]]; t != unknown {
				o = t // Type::new(…)
				if t == unordered && len(c.Types) > 0 && fixedHasher(c.Path[len(c.Path)-2], append([]rustsyntax.Token{{Kind: rustsyntax.Punct, Text: "<"}}, c.Types[0]...)) {
					o = collector
				}
			} else {
				o = v.results[c.Path[len(c.Path)-1]]
			}
		default:
			o = v.statics[c.Path[len(c.Path)-1]]
		}
	case rustsyntax.ParenBase:
		if len(c.Args) == 1 {
			o = v.exprOrder(c.Args[0])
		}
	}
	for i := start; i < n; i++ {
		o = v.linkOrder(o, c.Links[i])
	}
	return o
}

func (v *mapVisitor) linkOrder(o order, l rustsyntax.Link) order {
	switch l.Kind {
	case rustsyntax.Try:
		return o
	case rustsyntax.Field:
		return v.fields[l.Name]
	case rustsyntax.Method:
		if slices.Contains(same, l.Name) {
			return o
		}
		if l.Name == "collect" || l.Name == "into" || l.Name == "parse" {
			return v.typeOrder(l.Types)
		}
		return v.results[l.Name]
	}
	return unknown
}

// chain looks for iteration in a chain. want is the type that its value is
// given, sortedLater that nobody sees its order.
func (v *mapVisitor) chain(c *rustsyntax.Chain, want order, sortedLater bool) {
	for _, a := range c.Args {
		v.expr(a)
	}
	if c.Node != nil {
		v.node(c.Node)
	}
	if c.Kind == rustsyntax.MacroBase {
		v.format(c)
	}
	for i, l := range c.Links {
		for _, a := range l.Args {
			v.expr(a)
		}
		name := l.Name
		if l.Kind == rustsyntax.Call && c.Kind == rustsyntax.PathBase && i == 0 {
			name = c.Path[len(c.Path)-1]
		}
		switch {
		case l.Kind == rustsyntax.Method && slices.Contains(iterating, name) && v.prefixOrder(c, i) == unordered:
			if !v.free(c.Links[i+1:], want, sortedLater) {
				v.report(l.Line, "."+name+"() of a map or set without an order")
			}
		case slices.Contains(consuming, name) && v.takes(l.Args):
			into := unknown
			if l.Kind == rustsyntax.Method {
				into = v.prefixOrder(c, i)
			} else if len(c.Path) > 1 {
				into = v.types[c.Path[len(c.Path)-2]]
			}
			if into == unknown && !v.free(c.Links[i+1:], want, sortedLater) {
				v.report(l.Line, name+" of a map or set without an order")
			}
		case l.Kind == rustsyntax.Call && len(c.Path) > 1 && slices.Contains(writers, name) && v.takes(l.Args):
			v.report(l.Line, strings.Join(c.Path, "::")+" of a map or set without an order")
		}
	}
}

func (v *mapVisitor) takes(args []*rustsyntax.Expr) bool {
	return slices.ContainsFunc(args, func(e *rustsyntax.Expr) bool { return v.exprOrder(e) == unordered })
}

// free says whether what follows an iterator makes its order not matter.
func (v *mapVisitor) free(rest []rustsyntax.Link, want order, sortedLater bool) bool {
	for i, l := range rest {
		if l.Kind != rustsyntax.Method {
			continue
		}
		if slices.Contains(orderFree, l.Name) {
			return true
		}
		if l.Name == "collect" {
			if len(l.Types) > 0 {
				o := v.typeOrder(l.Types)
				return o != unknown || sortedLater
			}
			last := i == len(rest)-1 || rest[i+1].Kind == rustsyntax.Try
			return last && (want != unknown || sortedLater)
		}
	}
	return sortedLater && len(rest) == 0
}

var debugRE = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_]*)?:[^}]*\?\}`)

// format reports a map that is printed with {:?}.
func (v *mapVisitor) format(c *rustsyntax.Chain) {
	if !slices.Contains(formats, c.Path[len(c.Path)-1]) {
		return
	}
	debug := false
	for _, t := range c.Raw {
		text, ok := rustsyntax.StringValue(t)
		if !ok {
			continue
		}
		for _, m := range debugRE.FindAllStringSubmatch(text, -1) {
			if m[1] == "" {
				debug = true
			} else if v.lookup(m[1]) == unordered {
				v.report(t.Line, "{"+m[1]+":?} of a map or set without an order")
			}
		}
		break
	}
	if debug && v.takes(c.Args) {
		v.report(c.Line, "{:?} of a map or set without an order")
	}
}

func orderedCodegen(s *subject) outcome {
	n := 0
	var bad, good []Finding
	for _, u := range s.own {
		if !u.Runs() {
			continue
		}
		n++
		for _, files := range []map[string]*rustsyntax.File{u.script, u.macro} {
			for _, x := range unorderedUses(files) {
				bad = append(bad, at(x.File, x.Line, "%s", x.Text))
			}
		}
		bad = append(bad, u.broken...)
		for _, f := range append(slices.Clone(u.Scripts), u.macroRoot()...) {
			good = append(good, at(f, 0, "read"))
		}
	}
	if n == 0 {
		return skip("no member has a build script or is a procedural macro")
	}
	return judge(bad, good)
}

func (u *unit) macroRoot() []string {
	if u.ProcMacro && u.Lib != "" {
		return []string{u.Lib}
	}
	return nil
}
