fn main() {
    println!("{}", compile_time::unix!());
}
