//! Prints how rustc was called for this binary, and for its build script.

fn main() {
    println!("[binary]\n{}", macros::rustc_args!());
    println!(
        "[build script]\n{}",
        env!("BUILD_SCRIPT_ARGS").replace('\u{1f}', "\n")
    );
    println!(
        "[cfg]\nfrom_cfg_table={} from_triple_table={}",
        cfg!(from_cfg_table),
        cfg!(from_triple_table)
    );
}
