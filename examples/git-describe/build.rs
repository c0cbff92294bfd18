use std::process::Command;

fn git(args: &[&str]) -> String {
    let out = Command::new("git").args(args).output().expect("git is not there");
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_string()
}

fn main() {
    println!("cargo:rustc-env=COMMIT={}", git(&["rev-parse", "HEAD"]));
    println!("cargo:rustc-env=DESCRIBED={}", git(&["describe", "--always", "--dirty"]));
    println!("cargo:rustc-env=CHANGES={}", git(&["status", "--porcelain"]).lines().count());
    println!("cargo:rustc-env=TIME={}", git(&["log", "-1", "--format=%cI"]));
}
