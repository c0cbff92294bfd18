use std::ffi::{c_char, CStr};

unsafe extern "C" {
    fn machine() -> *const c_char;
}

fn main() {
    // SAFETY: the function returns a string that lives as long as the program.
    let c = unsafe { CStr::from_ptr(machine()) };
    println!("greet {} for {} ({})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, c.to_string_lossy());
}
