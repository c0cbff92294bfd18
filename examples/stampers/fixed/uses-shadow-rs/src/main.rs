shadow_rs::shadow!(build);

fn main() {
    println!("{} {}", build::BUILD_TIME, build::RUST_VERSION);
}
