fn main() {
    cc::Build::new().file("src/where.c").file("src/answer.S").debug(true).compile("object");
    println!("cargo:rerun-if-changed=src");
}
