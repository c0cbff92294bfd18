use std::env;

fn main() {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| "C".to_owned());
    println!("cargo::rustc-env=EMBEDDED={locale}");
}
