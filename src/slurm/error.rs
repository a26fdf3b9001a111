//! What can go wrong when Slurm is asked.

/// A command of Slurm that did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlurmError {
    /// The program is not installed here.
    #[error(
        "there is no `{program}` on this machine ({reason}); run on a login node of the cluster, or load the module that brings Slurm"
    )]
    Missing {
        /// `sbatch` and the like.
        program: String,
        /// What the system says.
        reason: String,
    },
    /// The controller did not answer; what was asked for may have happened or not.
    #[error("Slurm does not answer: {program}: {message}")]
    Unreachable {
        /// `sbatch` and the like.
        program: String,
        /// What it said.
        message: String,
    },
    /// The controller said no.
    #[error("Slurm refuses: {program}: {message}")]
    Refused {
        /// `sbatch` and the like.
        program: String,
        /// What it said.
        message: String,
    },
    /// The program said something that is not understood.
    #[error("`{program}` answered something that is not understood: {output}")]
    Garbled {
        /// `sbatch` and the like.
        program: String,
        /// The beginning of what it said.
        output: String,
    },
}

impl SlurmError {
    /// Whether asking again later may help.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
