//! `tacq-engine`, the worker of tacq-sweep: runs one stage at a time on libtorch.
//!
//! A stage is a function *(parameters, input folders) → output folder*. The engine knows no YAML, no stage keys
//! and no store: the driver sends a [`tacq_protocol::Request`], the engine answers with events. Modules:
//!
//! - [`model`]: plain parameters in, tensors or numbers out;
//! - [`tensorfile`], [`fsx`]: safetensors files and durable writing;
//! - [`error`], [`device`]: one error type that knows its failure kind; devices and libtorch's settings.

pub mod device;
pub mod error;
pub mod fsx;
pub mod model;
pub mod tensorfile;

pub use error::{Error, Result};
