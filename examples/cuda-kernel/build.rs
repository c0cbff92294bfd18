//! Compiles the kernel with the toolkit's ptxas, with line numbers. For those, ptxas
//! looks at the source that the .ptx names, and writes its name and modification time
//! into the cubin. So it is given a copy that has the time of the commit.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use std::{env, fs};

fn main() {
    for name in ["CUDA_TOOLKIT_PATH", "SOURCE_DATE_EPOCH", "KERNEL_KEEP_TIME"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=kernels");
    let toolkit = env::var("CUDA_TOOLKIT_PATH").unwrap_or_else(|_| "/usr/local/cuda".into());
    println!("cargo:rustc-link-search=native={toolkit}/lib64/stubs");
    println!("cargo:rustc-link-lib=dylib=cuda");

    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    for name in ["add.ptx", "add.cu"] {
        let source = Path::new("kernels").join(name);
        fs::copy(&source, out.join(name)).expect("copying the kernel");
        fs::File::options()
            .write(true)
            .open(out.join(name))
            .and_then(|f| f.set_modified(time_of(&source)))
            .expect("setting the kernel's time");
    }
    let status = Command::new(format!("{toolkit}/bin/ptxas"))
        .args(["-arch=sm_80", "-lineinfo", "-o", "add.cubin", "add.ptx"])
        .current_dir(&out)
        .status()
        .expect("running ptxas");
    assert!(status.success(), "ptxas: {status}");
}

/// The time that the cubin will name: the commit's. KERNEL_KEEP_TIME=1 shows
/// what the file's own does.
fn time_of(source: &Path) -> SystemTime {
    let epoch = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    match env::var("KERNEL_KEEP_TIME") {
        Ok(_) => fs::metadata(source)
            .and_then(|m| m.modified())
            .expect("the kernel's time"),
        Err(_) => SystemTime::UNIX_EPOCH + Duration::from_secs(epoch),
    }
}
