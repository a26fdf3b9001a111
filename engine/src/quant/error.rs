use super::cuda;
use crate::error::{torch_kind, without_stack};
use tacq_protocol::FailureKind;
use tch::TchError;

/// Why a matrix cannot be quantized.
#[derive(Debug, thiserror::Error)]
pub enum QuantError {
    /// A weight is NaN or infinite.
    #[error(
        "{tensor} holds a weight that is not finite (row {row}, column {col}); the model's files are damaged"
    )]
    WeightNotFinite {
        /// The weight's name.
        tensor: String,
        /// Output feature.
        row: usize,
        /// Input feature.
        col: usize,
    },
    /// Fisher information that is negative, NaN or infinite.
    #[error(
        "the Fisher information of {tensor} is {found} (row {row}, column {col}), expected a finite number from 0 up; \
         compute gradients in f32, or check the model's files"
    )]
    Fisher {
        /// The weight's name.
        tensor: String,
        /// Output feature.
        row: usize,
        /// Input feature.
        col: usize,
        /// What it is.
        found: f32,
    },
    /// The statistics of a layer's inputs are NaN or infinite.
    #[error(
        "the inputs of {tensor} are not finite on the calibration set; compute in f32, or check the model's files"
    )]
    HessianNotFinite {
        /// The weight's name.
        tensor: String,
    },
    /// No amount of damping made the Hessian positive definite.
    #[error(
        "the Hessian of {tensor} is not positive definite, even damped {attempts} times; use more calibration \
         sequences or a larger damp"
    )]
    NotPositiveDefinite {
        /// The weight's name.
        tensor: String,
        /// Times that the damping was added.
        attempts: u32,
    },
    /// A kernel did not start.
    #[error("{tensor} cannot be quantized on the GPU: {source}")]
    Kernel {
        /// The weight's name.
        tensor: String,
        /// What is wrong.
        source: crate::cuda::kernel::KernelError,
    },
    /// libtorch refused an operation.
    #[error("libtorch failed while quantizing {tensor}: {}", without_stack(&source.to_string()))]
    Torch {
        /// The weight's name.
        tensor: String,
        /// What libtorch says.
        source: TchError,
    },
}

impl QuantError {
    /// What went wrong on a CUDA device with the weight called `tensor`.
    pub(super) fn on_cuda(tensor: &str, error: cuda::Error) -> Self {
        let tensor = tensor.to_owned();
        match error {
            cuda::Error::Kernel(source) => QuantError::Kernel { tensor, source },
            cuda::Error::Torch(source) => QuantError::Torch { tensor, source },
        }
    }

    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        match self {
            QuantError::WeightNotFinite { .. } | QuantError::Fisher { .. } => FailureKind::InvalidInput,
            QuantError::HessianNotFinite { .. } | QuantError::NotPositiveDefinite { .. } => {
                FailureKind::Numerics
            }
            QuantError::Kernel { source, .. } => source.kind(),
            QuantError::Torch { source, .. } => torch_kind(source),
        }
    }
}
