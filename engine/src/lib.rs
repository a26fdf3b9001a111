//! `tacq-engine`, the worker of tacq-sweep: runs one stage at a time on libtorch.
//!
//! A stage is a function *(parameters, input folders) → output folder*. The engine knows no YAML, no stage keys
//! and no store: the driver sends a [`tacq_protocol::Request`], the engine answers with events. Modules:
//!
//! - [`cli`], [`serve`]: requests in, events out; the only code that writes to standard output;
//! - [`stages`]: one file per stage kind; the only code that reads input folders and writes output folders;
//! - [`model`], [`infer`], [`data`], [`quant`]: plain parameters in, tensors or numbers out;
//! - [`tensorfile`], [`fsx`]: safetensors files and durable writing;
//! - [`error`], [`device`], [`cuda`], [`process`]: one error type that knows its failure kind; devices; settings.

pub mod cli;
pub mod cuda;
pub mod data;
pub mod device;
pub mod error;
pub mod fsx;
pub mod infer;
pub mod mkl;
pub mod model;
pub mod process;
pub mod quant;
pub mod saliency;
pub mod serve;
pub mod stages;
pub mod tensorfile;

pub use error::{Error, Result};
