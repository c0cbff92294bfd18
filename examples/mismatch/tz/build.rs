use std::process::Command;

fn main() {
    let zone = Command::new("date").arg("+%Z %z").output().unwrap();
    let zone = String::from_utf8(zone.stdout).unwrap();
    println!("cargo::rustc-env=EMBEDDED={zone}");
}
