use std::process::Command;

fn main() {
    let date = Command::new("date").args(["-u", "+%F"]).output().unwrap();
    let date = String::from_utf8(date.stdout).unwrap();
    println!("cargo::rustc-env=EMBEDDED={date}");
}
