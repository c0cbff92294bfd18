//! `tensor-wasm`: hash files and run small tensor programs.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tensor_wasm_backend::Backend;
use tensor_wasm_backend_host::Host;
use tensor_wasm_exec::{Program, fingerprint, run};

const VERSION: &str = if cfg!(tensor_wasm_host) {
    concat!(env!("CARGO_PKG_VERSION"), " (tensor_wasm_host)")
} else {
    concat!(env!("CARGO_PKG_VERSION"), " (without tensor_wasm_host)")
};

const DEMO: &str = include_str!("../programs/affine.json");

#[derive(Parser)]
#[command(name = "tensor-wasm", version = VERSION, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the BLAKE3 hash of a file
    Hash { file: PathBuf },
    /// Run a program (a small affine layer, if none is given)
    Run { program: Option<PathBuf> },
    /// Print what programs run on
    Backend,
    /// Print the interface that guests see
    Wit,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Hash { file } => hash(&file),
        Command::Run { program } => execute(program.as_deref()),
        Command::Backend => {
            let backend = backend()?;
            println!("{}: {}", backend.name(), backend.device());
            Ok(())
        }
        Command::Wit => {
            print!("{}", tensor_wasm_wit::WIT);
            Ok(())
        }
    }
}

/// The backend that this binary was built for.
fn backend() -> Result<Box<dyn Backend>> {
    #[cfg(feature = "cuda-oxide")]
    return Ok(Box::new(tensor_wasm_backend_oxide::Oxide::new()?));
    #[cfg(all(feature = "cudarc", not(feature = "cuda-oxide")))]
    return Ok(Box::new(tensor_wasm_backend_cudarc::Cudarc::new()?));
    #[cfg(not(any(feature = "cudarc", feature = "cuda-oxide")))]
    return Ok(Box::new(Host));
}

fn hash(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(file)
        .with_context(|| format!("reading {}", path.display()))?;
    println!("{}  {}", hasher.finalize(), path.display());
    Ok(())
}

fn execute(path: Option<&Path>) -> Result<()> {
    let text = match path {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?
        }
        None => DEMO.to_owned(),
    };
    let program: Program = serde_json::from_str(&text).context("parsing program")?;
    let result = run(&program, backend()?.as_ref())?;
    println!("{}", serde_json::to_string(&result)?);
    println!("blake3 {}", fingerprint(&result));
    Ok(())
}
