include!(concat!(env!("OUT_DIR"), "/words.rs"));

fn main() -> anyhow::Result<()> {
    println!("{} {}", WORDS.trim(), busy_macro::busy!());
    Ok(())
}
