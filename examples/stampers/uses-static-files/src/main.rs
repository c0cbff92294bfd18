include!(concat!(env!("OUT_DIR"), "/generated.rs"));

fn main() {
    for (name, file) in generate() {
        println!("{name} {}", file.modified);
    }
}
