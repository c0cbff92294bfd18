//! A stack machine for tensors.

use serde::{Deserialize, Serialize};
use tensor_wasm_backend::Backend;
use tensor_wasm_core::{Tensor, TensorError};
use tensor_wasm_macros::OpNames;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, OpNames)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    Add,
    MatMul,
    Relu,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Push(Tensor),
    Apply(Op),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub steps: Vec<Step>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    #[error("step {step}: {op} finds too few tensors on the stack")]
    StackUnderflow { step: usize, op: &'static str },
    #[error("step {step}: {op} failed")]
    Tensor {
        step: usize,
        op: &'static str,
        source: TensorError,
    },
    #[error("program leaves {left} tensors on the stack instead of one")]
    Unbalanced { left: usize },
}

/// Runs a program on a backend and returns the one tensor that it leaves.
pub fn run(program: &Program, backend: &dyn Backend) -> Result<Tensor, ExecError> {
    let mut stack: Vec<Tensor> = Vec::new();
    for (index, step) in program.steps.iter().enumerate() {
        match step {
            Step::Push(tensor) => stack.push(tensor.clone()),
            Step::Apply(op) => apply(*op, backend, index + 1, &mut stack)?,
        }
    }
    match <[Tensor; 1]>::try_from(stack) {
        Ok([tensor]) => Ok(tensor),
        Err(stack) => Err(ExecError::Unbalanced { left: stack.len() }),
    }
}

fn apply(
    op: Op,
    backend: &dyn Backend,
    step: usize,
    stack: &mut Vec<Tensor>,
) -> Result<(), ExecError> {
    let name = op.name();
    let mut pop = || {
        stack
            .pop()
            .ok_or(ExecError::StackUnderflow { step, op: name })
    };
    let top = pop()?;
    let result = match op {
        Op::Relu => Ok(backend.relu(&top)),
        Op::Add => backend.add(&pop()?, &top),
        Op::MatMul => backend.matmul(&pop()?, &top),
    };
    stack.push(result.map_err(|source| ExecError::Tensor {
        step,
        op: name,
        source,
    })?);
    Ok(())
}

/// BLAKE3 over the rank, the shape and the values, all little endian.
pub fn fingerprint(tensor: &Tensor) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(tensor.shape().len() as u64).to_le_bytes());
    for &dim in tensor.shape() {
        hasher.update(&(dim as u64).to_le_bytes());
    }
    for value in tensor.data() {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor_wasm_backend_host::Host;

    fn program(json: &str) -> Program {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn runs_a_program() {
        let p = program(
            r#"{"steps": [
                {"push": {"shape": [1, 2], "data": [1, 2]}},
                {"push": {"shape": [2, 1], "data": [3, -4]}},
                {"apply": "matmul"},
                {"apply": "relu"}
            ]}"#,
        );
        assert_eq!(
            run(&p, &Host),
            Ok(Tensor::new(vec![1, 1], vec![0.0]).unwrap())
        );
    }

    #[test]
    fn names_the_step_that_failed() {
        let p = program(r#"{"steps": [{"apply": "add"}]}"#);
        let want = ExecError::StackUnderflow { step: 1, op: "add" };
        assert_eq!(run(&p, &Host), Err(want));
    }

    #[test]
    fn lists_operations_in_source_order() {
        let names: Vec<_> = Op::ALL.iter().map(|op| op.name()).collect();
        assert_eq!(names, ["add", "matmul", "relu"]);
    }

    #[test]
    fn fingerprint_tells_shapes_apart() {
        let data = vec![1.0, 2.0, 3.0, 4.0];
        let flat = Tensor::new(vec![4], data.clone()).unwrap();
        let square = Tensor::new(vec![2, 2], data).unwrap();
        assert_ne!(fingerprint(&flat), fingerprint(&square));
    }
}
