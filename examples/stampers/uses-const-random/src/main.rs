fn main() {
    println!("{}", const_random::const_random!(u128));
}
