include!(concat!(env!("OUT_DIR"), "/table.rs"));

fn main() {
    for (key, value) in TABLE {
        println!("{key} {value}");
    }
}
