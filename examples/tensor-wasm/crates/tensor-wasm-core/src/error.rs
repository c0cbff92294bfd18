/// Why an operation on tensors was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    #[error("shape {shape:?} does not describe {len} values")]
    WrongLength { shape: Vec<usize>, len: usize },
    #[error("shapes {left:?} and {right:?} do not fit")]
    ShapeMismatch { left: Vec<usize>, right: Vec<usize> },
    #[error("shape {shape:?} is not a matrix")]
    NotAMatrix { shape: Vec<usize> },
}
