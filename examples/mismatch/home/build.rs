use std::env;

fn main() {
    let home = env::var("HOME").unwrap_or_default();
    println!("cargo::rustc-env=EMBEDDED=home={home}");
}
