//! The stages of an experiment and how they feed each other.

use super::source::{Source, SourceProblem};
use crate::spec::Trial;
use crate::stage_key::{KeyPayload, StageKey};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use tacq_protocol::{StageKind, StageParams};

/// Index of a stage in its plan. Inputs have smaller indices than what reads them.
pub type StageId = usize;

/// What an input is to the stage that reads it: one of [`tacq_protocol::artifact::role`], or the name of a command.
pub type Role = Cow<'static, str>;

/// One node: a kind, its parameters, the stages it reads.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Name for people, unique in the plan.
    pub label: String,
    /// What it computes.
    pub params: StageParams,
    /// The stages it reads, by role.
    pub inputs: BTreeMap<Role, StageId>,
    /// What it is known by; none if it rests on a source that is not there.
    pub key: Option<StageKey>,
    /// For `download` of what is here: the user's files.
    pub source: Option<Source>,
    /// For `download` of what is not.
    pub remote: Option<Remote>,
}

/// Where something is downloaded from, as far as it is not part of what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// A revision of a repository of the hub; the commit is in the key.
    Hub {
        /// `org/name`.
        repo: String,
        /// The branch, tag or commit that was named.
        revision: String,
    },
    /// An address; the hash is in the key.
    Web {
        /// The address.
        url: String,
    },
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::Hub { repo, revision } => write!(f, "{repo}@{revision}"),
            Remote::Web { url } => f.write_str(url),
        }
    }
}

impl Stage {
    /// Its kind.
    pub fn kind(&self) -> StageKind {
        self.params.kind()
    }

    /// Its key, if its sources are there.
    pub fn key(&self) -> Option<&StageKey> {
        self.key.as_ref()
    }
}

/// A trial with the stages that answer it.
#[derive(Debug, Clone)]
pub struct PlannedTrial {
    /// The point of the grid.
    pub trial: Trial,
    /// The stage that makes its checkpoint; none for the 16-bit baseline.
    pub checkpoint: Option<StageId>,
    /// Names of tasks and commands, and the stages that answer them.
    pub evaluations: Vec<(String, StageId)>,
}

/// All stages of an experiment, each once, inputs first.
#[derive(Debug)]
pub struct Plan {
    /// In topological order.
    pub stages: Vec<Stage>,
    /// In the experiment's order.
    pub trials: Vec<PlannedTrial>,
    /// The commands that run once for each model.
    pub commands: Vec<StageId>,
    /// Sources that are missing or unusable.
    pub problems: Vec<SourceProblem>,
}

impl Plan {
    /// The stages whose artifacts somebody wants: those that the tables are made of, and the user's commands. Each once,
    /// in order.
    pub fn sinks(&self) -> Vec<StageId> {
        let of_trials = self.trials.iter().flat_map(|t| t.evaluations.iter().map(|e| e.1));
        let mut ids: Vec<_> = of_trials.chain(self.commands.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// How many trials have all their evaluations, as far as these are done.
    pub fn trials_done(&self, is_done: impl Fn(StageId) -> bool) -> usize {
        self.trials.iter().filter(|trial| trial.evaluations.iter().all(|(_, id)| is_done(*id))).count()
    }

    /// Everything that is hashed into a stage's key; none if it has no key.
    pub fn payload(&self, id: StageId) -> Option<KeyPayload> {
        let stage = &self.stages[id];
        stage.key?;
        let key = |(role, &input): (&Role, &StageId)| Some((role.to_string(), self.stages[input].key?));
        Some(KeyPayload::new(&stage.params, stage.inputs.iter().map(key).collect::<Option<_>>()?))
    }

    /// How many stages read one of these, or what is made from it, without these themselves.
    pub fn behind(&self, ids: &[StageId], is_meant: impl Fn(StageId) -> bool) -> usize {
        let mut is_behind = vec![false; self.stages.len()];
        for (id, stage) in self.stages.iter().enumerate() {
            is_behind[id] = stage.inputs.values().any(|input| is_behind[*input] || ids.contains(input));
        }
        (0..self.stages.len()).filter(|&id| is_behind[id] && !ids.contains(&id) && is_meant(id)).count()
    }

    /// For each stage, those that read it.
    pub fn consumers(&self) -> Vec<Vec<StageId>> {
        let mut consumers = vec![Vec::new(); self.stages.len()];
        for (id, stage) in self.stages.iter().enumerate() {
            for &input in stage.inputs.values() {
                consumers[input].push(id);
            }
        }
        consumers
    }
}
