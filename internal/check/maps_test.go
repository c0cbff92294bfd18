package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/rustsyntax"
	"github.com/google/go-cmp/cmp"
)

// unorderedLines gives the lines of "file:line" that are reported.
func unorderedLines(t *testing.T, files map[string]string) string {
	t.Helper()
	parsed := map[string]*rustsyntax.File{}
	for name, text := range files {
		f, err := rustsyntax.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		parsed[name] = f
	}
	var all []string
	for _, u := range unorderedUses(parsed) {
		all = append(all, fmt.Sprintf("%s:%d", u.File, u.Line))
	}
	return strings.Join(all, " ")
}

func TestUnorderedIsFound(t *testing.T) {
	for name, body := range map[string]string{
		"for":               "let m = HashMap::new();\nfor x in &m {} // !",
		"for of a clone":    "let m: HashMap<u8, u8> = f();\nfor x in m.clone() {} // !",
		"turbofish":         "let m = HashMap::<u8, u8>::new();\nm.keys().for_each(g); // !",
		"iter":              "let mut m = std::collections::HashMap::with_capacity(1);\nlet v: Vec<_> = m.iter().map(|x| x).collect(); // !",
		"keys in a call":    "let m: HashSet<u8> = x.collect();\nwrite_all(m.into_iter().map(f)); // !",
		"collected":         "let m = x.collect::<HashMap<_, _>>();\nfor (k, v) in m { // !\n}",
		"wrapped":           "let m: Arc<Mutex<HashMap<u8, u8>>> = x();\nfor k in m.lock().unwrap().keys() {} // !",
		"random hasher":     "let m: HashMap<Vec<u8>, (u8, u8), RandomState> = x;\nfor z in &m {} // !",
		"parameter":         "fn g(m: &HashMap<u8, u8>) {\nfor x in m.values() {} // !\n}",
		"closure":           "let g = |m: &HashSet<u8>| {\nfor x in m {} // !\n};",
		"field":             "struct S { table: HashMap<u8, u8> }\nfor x in self.table.drain() {} // !",
		"result":            "fn load() -> std::io::Result<HashMap<u8, u8>> { x }\nfor x in load()? {} // !",
		"alias":             "use std::collections::HashMap as Map;\ntype Table = Map<u8, u8>;\nlet t = Table::default();\nfor x in t {} // !",
		"static":            "static T: LazyLock<HashMap<u8, u8>> = x;\nfor x in T.iter() {} // !",
		"debug":             "let m: HashMap<u8, u8> = x;\nprintln!(\"{:?}\", m); // !",
		"inline debug":      "let m: HashMap<u8, u8> = x;\nlet s = format!(\"{m:#?}\"); // !",
		"extend":            "let m: HashMap<u8, u8> = x;\nlet mut v = Vec::new();\nv.extend(m); // !",
		"zip":               "let m: HashMap<u8, u8> = x;\na.iter().zip(&m).for_each(f); // !",
		"serde":             "let m: HashMap<u8, u8> = x;\nlet s = serde_json::to_string(&m).unwrap(); // !",
		"found first":       "let m: HashSet<u8> = x;\nlet a = m.iter().find(|x| y(x)); // !",
		"in a match":        "let m: HashMap<u8, u8> = x;\nmatch y {\nA => { for z in &m {} } // !\n_ => {} }",
		"if let":            "let m: Option<HashMap<u8, u8>> = x;\nif let Some(m) = m {\nfor z in &m {} // !\n}",
		"sorted elsewhere":  "let m: HashSet<u8> = x;\nlet v: Vec<_> = m.iter().collect(); // !\n{ let mut v = w; v.sort(); }",
		"other maps":        "let m: hashbrown::HashMap<u8, u8> = x;\nfor z in &m {} // !\nlet d = DashMap::new();\nfor z in d.iter() {} // !",
		"union":             "let a: HashSet<u8> = x;\nfor z in a.union(&b) {} // !",
		"method's result":   "struct S; impl S { fn names(&self) -> &HashSet<String> { x } }\nfor z in s.names().iter() {} // !",
		"loop that writes":  "let m: HashMap<u8, u8> = x;\nlet mut b = BTreeMap::new();\nfor (k, v) in &m { // !\nb.insert(k, v); println!(\"{k}\"); }",
		"nested expression": "let m: HashMap<u8, u8> = x;\nlet s = vec![m.keys().map(f)]; // !",
	} {
		check(t, name, body)
	}
}

// Where the order can't get out, nothing is reported.
func TestOrderedIsLeftAlone(t *testing.T) {
	for name, body := range map[string]string{
		"lookups":          "let m: HashMap<u8, u8> = x;\nm.get(1); m.contains_key(2); m.len(); m[&1];",
		"BTreeMap":         "let m: BTreeMap<u8, u8> = x;\nfor z in &m {}\nprintln!(\"{m:?}\");",
		"sorted":           "let m: HashMap<u8, u8> = x;\nlet mut v: Vec<_> = m.into_iter().collect();\nv.sort();",
		"into a BTreeMap":  "let m: HashMap<u8, u8> = x;\nlet b: BTreeMap<_, _> = m.iter().collect();\nlet c = m.keys().collect::<BTreeSet<_>>();",
		"counted":          "let m: HashMap<u8, u8> = x;\nlet n = m.values().map(f).sum::<u8>() + m.keys().filter(g).count();",
		"inserted":         "let m: HashMap<u8, u8> = x;\nlet mut b = BTreeMap::new();\nfor (k, v) in &m { b.insert(k, v); }",
		"fixed hasher":     "let m: HashMap<u8, u8, BuildHasherDefault<DefaultHasher>> = x;\nfor z in &m {}",
		"own hasher":       "type HashSet<T> = std::collections::HashSet<T, Fixed>;\nlet m: HashSet<u8> = x;\nfor z in &m {}",
		"other type":       "let m: FxHashMap<u8, u8> = x; let i: IndexMap<u8, u8> = y;\nfor z in &m {} for z in &i {}",
		"vector of maps":   "let v: Vec<HashMap<u8, u8>> = x;\nfor z in &v {}",
		"shadowed":         "let m: HashMap<u8, u8> = x;\nlet m: Vec<_> = y;\nfor z in &m {}",
		"another function": "fn a(m: HashMap<u8, u8>) {}\nfn b(m: Vec<u8>) { for z in m {} }",
		"tests":            "#[cfg(test)]\nmod t { fn a(m: HashMap<u8, u8>) { for z in m {} } }",
		"quoted":           "let m: HashMap<u8, u8> = x;\nquote! { for z in &m {} }",
		"text":             "// for x in HashMap::new() {}\nlet s = \"for x in HashMap::new() {}\";",
		"display":          "let m: HashMap<u8, u8> = x;\nprintln!(\"{}\", m.len());",
	} {
		check(t, name, body)
	}
}

// check holds the reported lines against those that end in "// !".
func check(t *testing.T, name, body string) {
	t.Helper()
	text := "fn main() {\n" + body + "\n}\n"
	var want []string
	for i, l := range strings.Split(text, "\n") {
		if strings.HasSuffix(l, "// !") {
			want = append(want, fmt.Sprintf("f:%d", i+1))
		}
	}
	if d := cmp.Diff(strings.Join(want, " "), unorderedLines(t, map[string]string{"f": text})); d != "" {
		t.Errorf("%s\n%s\n%s", name, body, d)
	}
}

// Files of one crate know each other's types.
func TestUnorderedAcrossFiles(t *testing.T) {
	got := unorderedLines(t, map[string]string{
		"a.rs": "pub struct S { pub names: Table }",
		"b.rs": "fn f(s: &S) {\n for n in &s.names {}\n}",
		"c.rs": "pub type Table = std::collections::HashSet<String>;",
	})
	if got != "b.rs:2" {
		t.Errorf("found %s", got)
	}
}
