shadow_rs::shadow!(build);

fn main() {
    println!("{} {} {}", build::BUILD_TIME, build::CARGO_MANIFEST_DIR, build::RUST_VERSION);
}
