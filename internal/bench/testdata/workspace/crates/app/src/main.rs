use clap::Parser;

/// Searches files for a pattern.
#[derive(Parser)]
struct Args {
    pattern: String,
    files: Vec<std::path::PathBuf>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    for file in &args.files {
        let found = text::search(&args.pattern, &std::fs::read_to_string(file)?)?;
        println!("{}", text::json(&found));
    }
    Ok(())
}
