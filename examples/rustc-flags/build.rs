fn main() {
    let args = macros::rustc_args!().replace('\n', "\u{1f}");
    println!("cargo::rustc-env=BUILD_SCRIPT_ARGS={args}");
}
