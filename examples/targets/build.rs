use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=c/machine.c");
    cc::Build::new().file("c/machine.c").compile("machine");
    // What releases ship beside the binary, as clap's generators write it.
    let out = env::var("OUT_DIR").unwrap();
    fs::write(Path::new(&out).join("greet.bash"), "complete -W '--help --version' greet\n").unwrap();
}
