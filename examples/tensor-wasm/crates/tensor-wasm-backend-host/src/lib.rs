//! The processor as a backend.

use tensor_wasm_backend::Backend;
use tensor_wasm_core::{Tensor, TensorError};

#[derive(Debug, Default, Clone, Copy)]
pub struct Host;

impl Backend for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn device(&self) -> String {
        "the processor".to_owned()
    }

    fn add(&self, left: &Tensor, right: &Tensor) -> Result<Tensor, TensorError> {
        left.add(right)
    }

    fn matmul(&self, left: &Tensor, right: &Tensor) -> Result<Tensor, TensorError> {
        left.matmul(right)
    }

    fn relu(&self, tensor: &Tensor) -> Tensor {
        tensor.relu()
    }
}
