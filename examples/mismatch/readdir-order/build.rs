use std::fs;

fn main() {
    let names: Vec<String> = fs::read_dir("data")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    println!("cargo::rustc-env=EMBEDDED={}", names.join(" "));
}
