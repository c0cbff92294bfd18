//! What runs the arithmetic of tensors.

use tensor_wasm_core::{Tensor, TensorError};

/// Something that computes.
pub trait Backend {
    /// What it is called on the command line.
    fn name(&self) -> &'static str;
    /// What it runs on, for people.
    fn device(&self) -> String;
    fn add(&self, left: &Tensor, right: &Tensor) -> Result<Tensor, TensorError>;
    fn matmul(&self, left: &Tensor, right: &Tensor) -> Result<Tensor, TensorError>;
    fn relu(&self, tensor: &Tensor) -> Tensor;
}

/// Why a backend can't be used on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend}: {reason}")]
pub struct Unavailable {
    pub backend: &'static str,
    pub reason: String,
}
