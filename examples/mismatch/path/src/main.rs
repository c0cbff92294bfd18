fn main() {
    println!("{}", env!("CARGO_MANIFEST_DIR"));
}
