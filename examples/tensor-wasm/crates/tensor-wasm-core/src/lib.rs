//! Dense, row-major tensors of 32-bit floats.

mod error;
mod tensor;

pub use error::TensorError;
pub use tensor::Tensor;

/// The interface that guests see, as it stands in `wit/`.
pub const WIT: &str = include_str!("../../../wit/tensor.wit");
