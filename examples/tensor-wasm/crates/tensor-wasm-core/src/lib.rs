//! Dense, row-major tensors of 32-bit floats.

mod error;
mod tensor;

pub use error::TensorError;
pub use tensor::Tensor;
