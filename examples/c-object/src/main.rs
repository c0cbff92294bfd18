fn main() {
    println!("{}", c_object::say());
}
