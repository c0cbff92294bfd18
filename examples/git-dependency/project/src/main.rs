fn main() {
    let ray = lumen_core::Ray::new(3, 4);
    println!("{}", lumen_host::describe(&ray));
}
