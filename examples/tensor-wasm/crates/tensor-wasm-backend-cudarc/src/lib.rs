//! A backend that loads the driver's library when it starts: the binary
//! doesn't need it to be there. The arithmetic itself is the host's.

use std::ffi::c_int;

use libloading::{Library, Symbol};
use tensor_wasm_backend::{Backend, Unavailable};
use tensor_wasm_backend_host::Host;
use tensor_wasm_core::{Tensor, TensorError};

const NAME: &str = "cudarc";
const DRIVER: &str = "libcuda.so.1";

#[derive(Debug)]
pub struct Cudarc {
    devices: c_int,
    _driver: Library,
}

impl Cudarc {
    pub fn new() -> Result<Self, Unavailable> {
        let unavailable = |reason: String| Unavailable {
            backend: NAME,
            reason,
        };
        // SAFETY: the driver's constructors may run in any thread, and the two
        // signatures are those of cuda.h.
        unsafe {
            let driver = Library::new(DRIVER).map_err(|e| unavailable(e.to_string()))?;
            let init: Symbol<unsafe extern "C" fn(u32) -> c_int> = driver
                .get(b"cuInit\0")
                .map_err(|e| unavailable(e.to_string()))?;
            let count: Symbol<unsafe extern "C" fn(*mut c_int) -> c_int> = driver
                .get(b"cuDeviceGetCount\0")
                .map_err(|e| unavailable(e.to_string()))?;
            let mut devices = 0;
            for status in [init(0), count(&mut devices)] {
                if status != 0 {
                    return Err(unavailable(format!("the driver answers {status}")));
                }
            }
            Ok(Cudarc {
                devices,
                _driver: driver,
            })
        }
    }
}

impl Backend for Cudarc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn device(&self) -> String {
        format!("{} devices of {DRIVER}", self.devices)
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
