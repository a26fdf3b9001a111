//! What the engine answers: one JSON object a line.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An event on the engine's standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// First line of an engine process, once libtorch is loaded.
    Ready {
        /// [`crate::PROTOCOL_VERSION`] of the engine.
        protocol: u32,
        /// The engine's own version.
        engine: String,
        /// The libtorch it runs on.
        libtorch: String,
        /// CUDA devices it sees.
        cuda_devices: u32,
    },
    /// How far a request is.
    Progress {
        /// The request.
        id: u64,
        /// Units done, those resumed from an earlier attempt included.
        done: u64,
        /// Units in all.
        total: u64,
        /// What is counted: `sequences`, `layers`, `windows`, …
        unit: String,
    },
    /// Something a person may want to know.
    Log {
        /// The request it belongs to, if any.
        id: Option<u64>,
        /// How urgent it is.
        level: LogLevel,
        /// One line.
        message: String,
    },
    /// Sent every few seconds while a request runs, so that a hang can be told from slow work.
    Heartbeat {
        /// The request being run.
        id: u64,
    },
    /// The artifact is complete in the output folder, flushed to disk.
    Done {
        /// The request.
        id: u64,
        /// Facts about this execution.
        provenance: Provenance,
    },
    /// The request failed; the output folder is to be thrown away, progress may be resumed.
    Failed {
        /// The request.
        id: u64,
        /// What sort of failure.
        kind: FailureKind,
        /// What went wrong and where.
        message: String,
        /// What to do about it, if anything is known.
        hint: Option<String>,
    },
}

/// Urgency of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Detail for debugging.
    Debug,
    /// Normal operation.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// Facts about one execution, kept beside the artifact and never part of a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The engine's version.
    pub engine: String,
    /// The libtorch it ran on.
    pub libtorch: String,
    /// The device, in words.
    pub device: String,
    /// Seconds from request to done, this attempt alone.
    pub wall_secs: f64,
    /// Largest resident set of the engine process so far, in bytes.
    pub peak_bytes: u64,
    /// Largest device memory use during the request, in bytes; 0 on CPU.
    pub device_peak_bytes: u64,
    /// Whether an earlier attempt's progress was continued.
    pub resumed: bool,
}

/// Sorts of failure; they decide what the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// An input is missing, unreadable, malformed or does not fit the others.
    InvalidInput,
    /// The model's architecture or a feature of it is not supported.
    Unsupported,
    /// Numbers went wrong: not finite, not positive definite.
    Numerics,
    /// Device or host memory was exhausted.
    OutOfMemory,
    /// Reading or writing failed: full disk, permissions.
    Io,
    /// A device that does not exist or cannot be used.
    Device,
    /// A bug: the stage panicked or libtorch raised something unforeseen.
    Internal,
    /// A command of the user's ended with an error, or without what it was to make.
    Command,
    /// A download failed: the network, a permission, a wrong hash (said by the driver).
    Download,
    /// The engine process died, fell silent or broke the protocol (said by the driver).
    EngineDied,
    /// The stage took longer than it may (said by the driver).
    Timeout,
    /// The stage was asked to stop; its progress is kept.
    Interrupted,
    /// A cluster did not run the stage to its end (said by the driver).
    Cluster,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailureKind::InvalidInput => "invalid input",
            FailureKind::Unsupported => "unsupported",
            FailureKind::Numerics => "numerics",
            FailureKind::OutOfMemory => "out of memory",
            FailureKind::Io => "input/output",
            FailureKind::Device => "device",
            FailureKind::Internal => "internal error",
            FailureKind::Command => "command",
            FailureKind::Download => "download",
            FailureKind::EngineDied => "engine died",
            FailureKind::Timeout => "timeout",
            FailureKind::Interrupted => "interrupted",
            FailureKind::Cluster => "cluster",
        })
    }
}
