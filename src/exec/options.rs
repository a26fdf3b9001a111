//! How a run is to go.

use crate::spec::run::RunSettings;

/// The experiment's settings, and what was typed beside it.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Devices, memory, attempts and time limits.
    pub settings: RunSettings,
    /// Start nothing more after the first failure.
    pub fail_fast: bool,
}
