use serde::{Deserialize, Serialize};

use crate::TensorError;

/// A tensor whose data always has as many values as its shape says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

#[derive(Deserialize)]
struct Unchecked {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl TryFrom<Unchecked> for Tensor {
    type Error = TensorError;

    fn try_from(raw: Unchecked) -> Result<Self, TensorError> {
        Tensor::new(raw.shape, raw.data)
    }
}

impl Tensor {
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, TensorError> {
        let len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if len != Some(data.len()) {
            let len = data.len();
            return Err(TensorError::WrongLength { shape, len });
        }
        Ok(Tensor { shape, data })
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Sum of two tensors; a row is added to every row of a matrix.
    pub fn add(&self, other: &Tensor) -> Result<Tensor, TensorError> {
        let row = other.shape.len() == 1 && self.shape.last() == other.shape.last();
        if self.shape != other.shape && !row {
            return Err(self.mismatch(other));
        }
        let right = other.data.iter().cycle();
        let data = self.data.iter().zip(right).map(|(a, b)| a + b).collect();
        Tensor::new(self.shape.clone(), data)
    }

    pub fn matmul(&self, other: &Tensor) -> Result<Tensor, TensorError> {
        let (rows, inner) = self.matrix()?;
        let (depth, cols) = other.matrix()?;
        if inner != depth {
            return Err(self.mismatch(other));
        }
        let mut data = vec![0.0; rows * cols];
        for row in 0..rows {
            for k in 0..inner {
                let left = self.data[row * inner + k];
                for col in 0..cols {
                    data[row * cols + col] += left * other.data[k * cols + col];
                }
            }
        }
        Tensor::new(vec![rows, cols], data)
    }

    pub fn relu(&self) -> Tensor {
        Tensor {
            shape: self.shape.clone(),
            data: self.data.iter().map(|v| v.max(0.0)).collect(),
        }
    }

    fn matrix(&self) -> Result<(usize, usize), TensorError> {
        match self.shape[..] {
            [rows, cols] => Ok((rows, cols)),
            _ => Err(TensorError::NotAMatrix {
                shape: self.shape.clone(),
            }),
        }
    }

    fn mismatch(&self, other: &Tensor) -> TensorError {
        TensorError::ShapeMismatch {
            left: self.shape.clone(),
            right: other.shape.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], data: &[f32]) -> Tensor {
        Tensor::new(shape.to_vec(), data.to_vec()).unwrap()
    }

    #[test]
    fn multiplies_matrices() {
        let a = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let b = tensor(&[3, 2], &[7.0, 8.0, 9.0, 10.0, 11.0, 12.0]);
        let want = tensor(&[2, 2], &[58.0, 64.0, 139.0, 154.0]);
        assert_eq!(a.matmul(&b), Ok(want));
    }

    #[test]
    fn adds_a_row_to_every_row() {
        let a = tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let row = tensor(&[2], &[10.0, 20.0]);
        let want = tensor(&[2, 2], &[11.0, 22.0, 13.0, 24.0]);
        assert_eq!(a.add(&row), Ok(want));
    }

    #[test]
    fn clamps_negative_values() {
        let got = tensor(&[3], &[-1.0, 0.0, 2.5]).relu();
        assert_eq!(got, tensor(&[3], &[0.0, 0.0, 2.5]));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let a = tensor(&[2, 1], &[1.0, 2.0]);
        let row = tensor(&[2], &[1.0, 2.0]);
        assert!(matches!(
            a.matmul(&row),
            Err(TensorError::NotAMatrix { .. })
        ));
        assert!(matches!(
            a.matmul(&a),
            Err(TensorError::ShapeMismatch { .. })
        ));
        assert!(matches!(
            Tensor::new(vec![usize::MAX, 2], vec![]),
            Err(TensorError::WrongLength { .. })
        ));
    }
}
