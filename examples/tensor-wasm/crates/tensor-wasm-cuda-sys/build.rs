use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=CUDA_TOOLKIT_PATH");
    println!("cargo::rerun-if-changed=build.rs");
    let toolkit = PathBuf::from(
        env::var_os("CUDA_TOOLKIT_PATH").expect("CUDA_TOOLKIT_PATH names the CUDA toolkit"),
    );
    // What the link finds is a stub: the driver comes with the machine.
    for dir in ["lib64/stubs", "lib/x64"] {
        println!(
            "cargo::rustc-link-search=native={}",
            toolkit.join(dir).display()
        );
    }
    println!("cargo::rustc-link-lib=dylib=cuda");
    let header = toolkit.join("include/cuda.h");
    bindgen::builder()
        .header(header.to_str().expect("the path of cuda.h is UTF-8"))
        .allowlist_function("cuInit|cuDriverGetVersion|cuDeviceGetCount")
        .generate()
        .expect("cuda.h can be read")
        .write_to_file(PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("cuda.rs"))
        .expect("the bindings can be written");
}
