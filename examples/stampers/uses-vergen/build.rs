use vergen::{BuildBuilder, Emitter, SysinfoBuilder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Emitter::default()
        .add_instructions(&BuildBuilder::all_build()?)?
        .add_instructions(&SysinfoBuilder::default().user(true).build()?)?
        .emit()?;
    Ok(())
}
