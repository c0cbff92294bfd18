use std::collections::HashMap;
use std::{env, fs, path::Path};

fn main() {
    let table: HashMap<String, u32> = (0..40).map(|n| (format!("key{n:02}"), n * n)).collect();
    let mut code = String::from("const TABLE: &[(&str, u32)] = &[\n");
    for (key, value) in &table {
        code += &format!("    ({key:?}, {value}),\n");
    }
    code += "];\n";
    let out = env::var("OUT_DIR").unwrap();
    fs::write(Path::new(&out).join("table.rs"), code).unwrap();
}
