use std::env;

fn main() {
    let mut names: Vec<String> = env::vars()
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with("CARGO"))
        .collect();
    names.sort();
    println!("cargo::rustc-env=EMBEDDED=environment={}", names.join(","));
}
