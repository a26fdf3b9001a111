//! What the driver and the engine of tacq-sweep say to each other.
//!
//! The driver (`tacq-sweep`) never links libtorch; the engine (`tacq-engine`) knows no YAML, no stage keys and
//! no store. This crate is all they share: validated [`units`], the parameters of each [`stage`] kind and
//! [`task`], the [`Request`] that starts a stage, the [`Event`]s that come back, the file names inside an
//! [`artifact`], and how uncertainty is computed ([`stats`]).
//! It is a crate of its own, and small, so that the engine does not wait for the driver's dependencies to compile.

pub mod artifact;
pub mod command;
pub mod event;
pub mod request;
pub mod stage;
pub mod stats;
pub mod task;
pub mod units;

pub use event::{Event, FailureKind, LogLevel};
pub use request::{Control, DataFile, Request, Run};
pub use stage::{StageKind, StageParams};

/// Version of the line protocol; driver and engine refuse to talk when theirs differ.
pub const PROTOCOL_VERSION: u32 = 5;
