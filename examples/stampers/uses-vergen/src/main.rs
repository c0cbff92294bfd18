fn main() {
    println!("{} {}", env!("VERGEN_BUILD_TIMESTAMP"), env!("VERGEN_SYSINFO_USER"));
}
