//! A macro runs inside rustc, so it can see how rustc was called.

use proc_macro::TokenStream;

/// Expands to rustc's arguments, one a line.
#[proc_macro]
pub fn rustc_args(_: TokenStream) -> TokenStream {
    let raw = std::fs::read("/proc/self/cmdline").expect("reading /proc/self/cmdline");
    let text = String::from_utf8_lossy(&raw);
    let args: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
    format!("{:?}", args.join("\n"))
        .parse()
        .expect("a string literal")
}
