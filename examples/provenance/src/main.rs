const PROVENANCE: &str = env!("TOOL_PROVENANCE");

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("--provenance") if PROVENANCE.is_empty() => println!("built by hand"),
        Some("--provenance") => println!("{PROVENANCE}"),
        _ => println!("{}", if cfg!(feature = "loud") { "HELLO" } else { "hello" }),
    }
}
