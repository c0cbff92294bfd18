//! Asks the CUDA driver what it has, and says so politely when there is none.

#[allow(dead_code, non_camel_case_types, non_upper_case_globals)]
mod cuda {
    include!(concat!(env!("OUT_DIR"), "/cuda.rs"));
}

use std::ffi::CStr;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!(
        "built for CUDA {}.{}",
        cuda::CUDA_VERSION / 1000,
        cuda::CUDA_VERSION % 1000 / 10
    );
    match devices() {
        Ok(n) => println!("{n} devices"),
        Err(why) => println!("no device: {why}"),
    }
    ExitCode::SUCCESS
}

fn devices() -> Result<i32, String> {
    let mut n = 0;
    // SAFETY: the driver is initialised first, and n lives as long as the call.
    unsafe {
        check(cuda::cuInit(0))?;
        check(cuda::cuDeviceGetCount(&mut n))?;
    }
    Ok(n)
}

fn check(result: cuda::CUresult) -> Result<(), String> {
    if result == 0 {
        return Ok(());
    }
    let mut text = std::ptr::null();
    // SAFETY: the driver gives a string that lives forever, or leaves text alone.
    let known = unsafe { cuda::cuGetErrorString(result, &mut text) };
    if known != 0 || text.is_null() {
        return Err(format!("the driver's error {result}"));
    }
    // SAFETY: see above; it ends with a NUL.
    Err(unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned())
}
