use std::env;

fn main() {
    let home = env::var("CARGO_HOME").unwrap_or_default();
    println!("cargo::rustc-env=EMBEDDED=cargo-home={home}");
}
