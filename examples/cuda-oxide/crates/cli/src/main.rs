//! Says what the first CUDA device is, and sends it numbers and takes them back.

use std::error::Error;
use std::process::ExitCode;

use cuda_core::{CudaContext, DeviceBuffer, LaunchConfig};

fn main() -> ExitCode {
    let grid = LaunchConfig::for_num_elems(1000);
    println!(
        "1000 elements make {} blocks of {}",
        grid.grid_dim.0, grid.block_dim.0
    );
    println!(
        "an operation is {} bytes",
        size_of::<cuda_async::device_context::AsyncDeviceContext>()
    );
    match device() {
        Ok(text) => println!("{text}"),
        Err(why) => println!("no device: {why}"),
    }
    ExitCode::SUCCESS
}

fn device() -> Result<String, Box<dyn Error>> {
    let context = CudaContext::new(0)?;
    let stream = context.default_stream();
    let sent = [1.0f32, 2.0, 3.0];
    let back = DeviceBuffer::from_host(&stream, &sent)?.to_host_vec(&stream)?;
    let (major, minor) = context.compute_capability()?;
    Ok(format!(
        "{} (sm_{major}{minor}) gave back {back:?}",
        context.device_name()?
    ))
}
