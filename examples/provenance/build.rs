fn main() {
    // Nothing where it wasn't built by Twice.
    println!("cargo::rerun-if-env-changed=TWICE_PROVENANCE");
    let text = std::env::var("TWICE_PROVENANCE").unwrap_or_default();
    println!("cargo::rustc-env=TOOL_PROVENANCE={text}");
}
