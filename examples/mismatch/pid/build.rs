use std::process;

fn main() {
    println!("cargo::rustc-env=EMBEDDED={}", process::id());
}
