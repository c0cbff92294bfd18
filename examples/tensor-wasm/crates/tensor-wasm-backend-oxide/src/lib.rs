//! A backend that is linked to the driver: the binary starts only where the
//! driver is. The arithmetic itself is the host's.

use std::ffi::c_int;

use tensor_wasm_backend::{Backend, Unavailable};
use tensor_wasm_backend_host::Host;
use tensor_wasm_core::{Tensor, TensorError};
use tensor_wasm_cuda_sys::{cuDeviceGetCount, cuDriverGetVersion, cuInit};

const NAME: &str = "cuda-oxide";

#[derive(Debug)]
pub struct Oxide {
    version: c_int,
    devices: c_int,
}

impl Oxide {
    pub fn new() -> Result<Self, Unavailable> {
        let (mut version, mut devices) = (0, 0);
        // SAFETY: cuInit is called first, and the pointers are to live integers.
        let answers = unsafe {
            [
                cuInit(0),
                cuDriverGetVersion(&mut version),
                cuDeviceGetCount(&mut devices),
            ]
        };
        match answers.into_iter().find(|&status| status != 0) {
            None => Ok(Oxide { version, devices }),
            Some(status) => Err(Unavailable {
                backend: NAME,
                reason: format!("the driver answers {status}"),
            }),
        }
    }
}

impl Backend for Oxide {
    fn name(&self) -> &'static str {
        NAME
    }

    fn device(&self) -> String {
        let (major, minor) = (self.version / 1000, self.version % 1000 / 10);
        format!("{} devices of CUDA {major}.{minor}", self.devices)
    }

    fn add(&self, left: &Tensor, right: &Tensor) -> Result<Tensor, TensorError> {
        Host.add(left, right)
    }

    fn matmul(&self, left: &Tensor, right: &Tensor) -> Result<Tensor, TensorError> {
        Host.matmul(left, right)
    }

    fn relu(&self, tensor: &Tensor) -> Tensor {
        Host.relu(tensor)
    }
}
