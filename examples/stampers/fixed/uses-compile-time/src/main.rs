fn main() {
    println!("{}", env!("BUILT"));
}
