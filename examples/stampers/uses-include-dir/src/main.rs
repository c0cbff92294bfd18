use include_dir::{include_dir, Dir};

static FILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/files");

fn main() {
    for f in FILES.files() {
        println!("{f:?}");
    }
}
