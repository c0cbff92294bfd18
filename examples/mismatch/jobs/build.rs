use std::env;

fn main() {
    let jobs = env::var("NUM_JOBS").unwrap();
    println!("cargo::rustc-env=EMBEDDED={jobs}");
}
