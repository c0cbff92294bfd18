use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{env, fs};

fn main() {
    let probe = Path::new(&env::var("OUT_DIR").unwrap()).join("probe");
    fs::write(&probe, "").unwrap();
    let mode = fs::metadata(&probe).unwrap().permissions().mode() & 0o777;
    println!("cargo::rustc-env=EMBEDDED={mode:03o}");
}
