use std::process::{Command, Output};

fn tensor_wasm(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tensor-wasm"))
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn runs_the_built_in_program() {
    let out = tensor_wasm(&["run"]);
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    let first = text.lines().next().unwrap();
    assert_eq!(first, r#"{"shape":[2,2],"data":[0.25,0.0,0.25,4.0]}"#);
}

#[test]
fn hashes_like_b3sum() {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/empty");
    std::fs::write(file, b"").unwrap();
    let text = String::from_utf8(tensor_wasm(&["hash", file]).stdout).unwrap();
    let want = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert!(text.starts_with(want), "{text}");
}

#[test]
fn says_which_flags_it_was_built_with() {
    let text = String::from_utf8(tensor_wasm(&["--version"]).stdout).unwrap();
    let cfg = if cfg!(tensor_wasm_host) {
        ""
    } else {
        "without "
    };
    assert_eq!(
        text.trim_end(),
        format!("tensor-wasm 0.4.0 ({cfg}tensor_wasm_host)")
    );
}

#[test]
fn names_the_missing_file() {
    let out = tensor_wasm(&["hash", "/nonexistent"]);
    assert!(!out.status.success());
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(text.contains("opening /nonexistent"), "{text}");
}
