//! The engine's error: what each module can say, and the failure kind and hint the driver is told.

use crate::cuda::kernel::KernelError;
use crate::data::DataError;
use crate::device::DeviceError;
use crate::fsx::{FsError, io_hint};
use crate::infer::InferError;
use crate::model::ModelError;
use crate::quant::QuantError;
use crate::quant::checkpoint::CheckpointError;
use crate::saliency::SaliencyError;
use crate::stages::{CommandError, StageError};
use crate::tensorfile::TensorFileError;
use std::io;
use tacq_protocol::FailureKind;
use tacq_tasks::TaskError;
use tacq_tasks::records::RecordsError;
use tch::TchError;

/// Result of the engine's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Anything that makes a stage fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A safetensors file is broken or does not hold what is needed.
    #[error(transparent)]
    TensorFile(#[from] TensorFileError),
    /// A model folder does not describe a model that can be run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Prompts cannot be computed, or what comes out is no number.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A text, tokenizer or calibration set cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A data set's files are not what its layout says.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// Records cannot be encoded.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The request lacks something.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A command of the user's failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A matrix cannot be quantized.
    #[error(transparent)]
    Quant(#[from] QuantError),
    /// A packed checkpoint is broken or of another model.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Weights cannot be ranked, or a mask cannot be used.
    #[error(transparent)]
    Saliency(#[from] SaliencyError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A CUDA kernel of our own cannot be compiled or started.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// libtorch raised an exception.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] TchError),
}

impl Error {
    /// The sort of failure, which decides what the driver does next.
    pub fn kind(&self) -> FailureKind {
        match self {
            Error::Fs(e) => e.kind(),
            Error::TensorFile(e) => e.kind(),
            Error::Model(e) => e.kind(),
            Error::Infer(e) => e.kind(),
            Error::Data(_) => FailureKind::InvalidInput,
            Error::Task(TaskError::Read { source, .. }) if source.kind() != io::ErrorKind::NotFound => {
                FailureKind::Io
            }
            Error::Task(_) => FailureKind::InvalidInput,
            Error::Records(_) => FailureKind::Internal,
            Error::Stage(e) => e.kind(),
            Error::Command(e) => e.kind(),
            Error::Quant(e) => e.kind(),
            Error::Checkpoint(e) => e.kind(),
            Error::Saliency(e) => e.kind(),
            Error::Device(_) => FailureKind::Device,
            Error::Kernel(e) => e.kind(),
            Error::Torch(e) => torch_kind(e),
        }
    }

    /// What a person can do about it, where the message does not say it already.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::Fs(e) => return e.hint().map(str::to_owned),
            Error::TensorFile(e) => return e.hint().map(str::to_owned),
            Error::Model(e) => return e.hint(),
            Error::Data(e) => return e.hint().map(str::to_owned),
            Error::Stage(e) => return e.hint().map(str::to_owned),
            Error::Command(e) => return e.hint().map(str::to_owned),
            _ if self.kind() == FailureKind::OutOfMemory => {
                "free memory on the device, or use a shorter seq_len or dtype bf16"
            }
            _ => return self.cause_io().and_then(io_hint).map(str::to_owned),
        };
        Some(hint.to_owned())
    }

    /// The failure of the file system below this error, if that is what it is.
    fn cause_io(&self) -> Option<&io::Error> {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref() {
                return Some(io);
            }
            cause = error.source();
        }
        None
    }
}

/// libtorch's message without the C++ stack that it appends.
fn first_line(error: &TchError) -> String {
    without_stack(error.to_string().trim_start_matches("Internal torch error: "))
}

/// A libtorch message in one line, without its C++ stack.
pub fn without_stack(text: &str) -> String {
    let text = text.split("\nException raised from").next().unwrap_or(text);
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The failure kind of an exception of libtorch.
pub fn torch_kind(error: &TchError) -> FailureKind {
    match error {
        TchError::Io(e) => io_kind(e),
        _ => text_kind(&error.to_string()),
    }
}

/// libtorch throws one C++ type for nearly everything; only its text tells exhaustion from a bug.
fn text_kind(text: &str) -> FailureKind {
    let text = text.to_lowercase();
    let says = |needles: &[&str]| needles.iter().any(|n| text.contains(n));
    if says(&["out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc"]) {
        FailureKind::OutOfMemory
    } else if says(&["cuda error", "no kernel image", "nvidia driver", "cuda driver"]) {
        FailureKind::Device
    } else {
        FailureKind::Internal
    }
}

/// The failure kind of a panic: a bug, unless libtorch ran out of memory where tch unwraps.
pub fn panic_kind(message: &str) -> FailureKind {
    text_kind(message)
}

/// The failure kind of an operating system error: what is absent is the input's fault, the rest the machine's.
pub fn io_kind(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            FailureKind::InvalidInput
        }
        io::ErrorKind::OutOfMemory => FailureKind::OutOfMemory,
        _ => FailureKind::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_exceptions_are_classified_by_their_text() {
        let kind = |text: &str| Error::from(TchError::Torch(text.to_owned())).kind();
        assert_eq!(kind("CUDA out of memory. Tried to allocate 2.00 GiB"), FailureKind::OutOfMemory);
        let cpu = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory";
        assert_eq!(kind(cpu), FailureKind::OutOfMemory);
        assert_eq!(kind("CUDA error: invalid device ordinal"), FailureKind::Device);
        assert_eq!(kind("mat1 and mat2 shapes cannot be multiplied"), FailureKind::Internal);
    }

    #[test]
    fn libtorch_messages_lose_their_stack() {
        let error =
            Error::from(TchError::Torch("bad shape\nException raised from f at x.cpp:1\nframe".into()));
        assert_eq!(error.to_string(), "libtorch: bad shape");
    }
}
