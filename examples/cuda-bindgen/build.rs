//! Bindings of the part of cuda.h that main.rs calls. What bindgen writes depends on
//! its own version, on libclang, on cuda.h, and on whether there is a rustfmt.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=CUDA_TOOLKIT_PATH");
    let toolkit = env::var("CUDA_TOOLKIT_PATH").unwrap_or_else(|_| "/usr/local/cuda".into());
    println!("cargo:rustc-link-search=native={toolkit}/lib64/stubs");
    println!("cargo:rustc-link-lib=dylib=cuda");
    let out = Path::new(&env::var("OUT_DIR").unwrap()).join("cuda.rs");
    bindgen::builder()
        .header(format!("{toolkit}/include/cuda.h"))
        .allowlist_function(
            "cuInit|cuDriverGetVersion|cuDeviceGetCount|cuGetErrorString|cuMemAlloc_v2",
        )
        .allowlist_var("CUDA_VERSION")
        .generate()
        .expect("bindings of cuda.h")
        .write_to_file(out)
        .unwrap();
}
