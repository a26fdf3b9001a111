//! What Slurm says about a job.

/// The state of a job, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    /// It waits: for a node, for another job, for its turn after a requeue.
    Pending,
    /// It has a node.
    Running,
    /// It ended with success.
    Completed,
    /// It ended with an error.
    Failed,
    /// Someone ended it.
    Cancelled,
    /// It reached its time limit.
    Timeout,
    /// It needed more memory than it asked for.
    OutOfMemory,
    /// Its node failed.
    NodeFail,
    /// It gave way to a more important one.
    Preempted,
}

impl JobState {
    /// Reads the long form: `RUNNING`, `CANCELLED by 1000`, `CANCELLED+`. What is unknown is taken for alive, so that no
    /// new state of Slurm's is ever a failure.
    pub fn parse(text: &str) -> Self {
        let word = text.split_whitespace().next().unwrap_or_default().trim_end_matches('+');
        match word {
            "COMPLETED" => Self::Completed,
            "FAILED" | "SPECIAL_EXIT" => Self::Failed,
            "CANCELLED" | "REVOKED" => Self::Cancelled,
            "TIMEOUT" | "DEADLINE" => Self::Timeout,
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            "NODE_FAIL" | "BOOT_FAIL" | "LAUNCH_FAILED" => Self::NodeFail,
            "PREEMPTED" => Self::Preempted,
            "RUNNING" | "COMPLETING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "SIGNALING"
            | "STAGE_OUT" | "RESIZING" => Self::Running,
            _ => Self::Pending,
        }
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::JobState;

    #[test]
    fn states_are_read_with_their_ornaments() {
        assert_eq!(JobState::parse("CANCELLED by 1000"), JobState::Cancelled);
        assert_eq!(JobState::parse("OUT_OF_MEMORY"), JobState::OutOfMemory);
        assert_eq!(JobState::parse("COMPLETED+"), JobState::Completed);
        assert_eq!(JobState::parse("COMPLETING"), JobState::Running);
    }

    #[test]
    fn what_waits_for_another_go_and_what_is_unknown_is_not_over() {
        for text in
            ["PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "NEWLY_INVENTED", ""]
        {
            assert!(!JobState::parse(text).is_over(), "{text}");
        }
    }
}
