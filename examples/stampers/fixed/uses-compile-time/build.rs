fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rustc-env=BUILT={}", std::env::var("SOURCE_DATE_EPOCH").unwrap());
}
