use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

fn main() -> std::io::Result<()> {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").unwrap().parse().unwrap();
    File::open("files/a.txt")?.set_modified(UNIX_EPOCH + Duration::from_secs(epoch))?;
    static_files::resource_dir("./files").build()
}
