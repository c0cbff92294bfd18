fn main() {
    println!("locale={}", env!("EMBEDDED"));
}
