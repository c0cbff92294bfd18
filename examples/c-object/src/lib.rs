use std::ffi::{c_char, c_int, CStr};

extern "C" {
    fn r#where() -> *const c_char;
    fn answer() -> c_int;
}

/// What the two objects say.
pub fn say() -> String {
    // SAFETY: both take nothing, and the string is static and ends with a zero.
    let (file, n) = unsafe { (CStr::from_ptr(r#where()), answer()) };
    format!("{n} from {}", file.to_string_lossy())
}
