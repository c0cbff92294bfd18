use std::env;

fn main() {
    let path = env::var("PATH").unwrap_or_default();
    println!("cargo::rustc-env=EMBEDDED=path={path}");
}
