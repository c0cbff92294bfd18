fn main() {
    println!("{}", env!("EMBEDDED"));
}
