//! An experiment as it is meant: every default filled in, every list expanded, every value in range.
//!
//! Nothing here knows YAML; [`super::resolve`] builds it from what was written.

use super::dataset::{Dataset, Task};
use super::error::Position;
use super::location::Location;
use super::run::RunSettings;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tacq_protocol::command::WEIGHTS;
use tacq_protocol::stage::{Grid, RoundingParams, Score};
use tacq_protocol::units::{Bits, GroupSize, NSamples, OutlierRatio, Seed, SeqLen};

/// One experiment file, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// The file it came from.
    pub path: PathBuf,
    /// Name of the experiment; also of its results folder.
    pub name: String,
    /// Base models: those that a sweep has.
    pub models: Vec<ModelSource>,
    /// Data sets by name: those that the file declares or names.
    pub datasets: BTreeMap<String, Dataset>,
    /// What is swept: products of axes, one after the other.
    pub sweeps: Vec<Sweep>,
    /// How calibration sets are drawn where a sweep does not say otherwise.
    pub calibration: Calibration,
    /// Tasks by name: the declared ones, and those of the data sets' own names.
    pub tasks: BTreeMap<String, Task>,
    /// Commands of the user's own, each after those that it needs.
    pub stages: Vec<CommandStage>,
    /// Whether the 16-bit model is evaluated too.
    pub baseline: bool,
    /// What is rendered, and where.
    pub report: Report,
    /// How it is executed.
    pub run: RunSettings,
}

/// A product of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Axis: indices into [`Experiment::models`].
    pub models: Vec<usize>,
    /// Axis: names of the data sets to calibrate on.
    pub condition_on: Vec<String>,
    /// Axes: bit widths, or budgets of bits; and methods, each with one value per parameter. The latter vary fastest.
    pub quantizations: Vec<(Bits, Method)>,
    /// Axis: seeds.
    pub seeds: Vec<Seed>,
    /// How calibration sets are drawn.
    pub calibration: Calibration,
    /// Which tasks each trial is evaluated on.
    pub evaluate: Evaluate,
}

impl Experiment {
    /// Whether trials can differ in their seeds.
    pub fn has_seeds(&self) -> bool {
        let mut seeds = self.sweeps.iter().flat_map(|sweep| &sweep.seeds);
        let first = seeds.next();
        seeds.any(|seed| Some(seed) != first)
    }

    /// The data set of each task, by the task's name.
    pub fn homes(&self) -> BTreeMap<String, String> {
        self.tasks.iter().map(|(name, task)| (name.clone(), task.dataset.clone())).collect()
    }
}

/// A base model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSource {
    /// As written; names the model in labels and tables by its last path component.
    pub text: String,
    /// A folder or a repository of the hub.
    pub location: Location,
    /// Where it was written.
    pub position: Position,
}

/// A quantization method with all its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// All weights by one rule.
    Quantizer(Quantizer),
    /// TaCQ, or one of its ablations: mixed precision by saliency.
    Tacq(Tacq),
}

/// A rule by which weights are quantized.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantizer {
    /// How codes are chosen, with the method's own parameters.
    pub rounding: RoundingParams,
    /// Columns that share a grid; a whole row when absent.
    pub group_size: Option<GroupSize>,
    /// How ranges are found; absent where there are none.
    pub grid: Option<Grid>,
}

/// Parameters of TaCQ.
#[derive(Debug, Clone, PartialEq)]
pub struct Tacq {
    /// Share of the linear weights kept in 16 bit.
    pub outlier_ratio: OutlierRatio,
    /// What ranks the weights.
    pub saliency: Score,
    /// Sequences of which gradients are taken, where these are not those that the quantizer sees.
    pub gradient_samples: Option<NSamples>,
    /// How the other weights are quantized; also, without the mask, the quantization that saliency contrasts with.
    pub quantizer: Quantizer,
}

/// How calibration sets are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibration {
    /// Sequences.
    pub n_samples: NSamples,
    /// Tokens in each.
    pub seq_len: SeqLen,
    /// Which windows of the text.
    pub sampling: CalibrationSampling,
}

impl Calibration {
    /// How these sets differ from the ones that an experiment has elsewhere: `calibration=16x512`.
    pub fn variant(self, elsewhere: Calibration) -> Option<String> {
        let Calibration { n_samples, seq_len, sampling } = self;
        (self != elsewhere).then(|| {
            let first = if sampling == CalibrationSampling::First { " first" } else { "" };
            format!("calibration={n_samples}x{seq_len}{first}")
        })
    }
}

/// Which windows of a text are used.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationSampling {
    /// Random starts, as GPTQ's data loader draws them from the trial's seed.
    #[default]
    Random,
    /// Consecutive windows from the start, whatever the seed.
    First,
}

/// Which tasks the trials are evaluated on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluate {
    /// For trials conditioned on a data set that is not among the others, and for all where nothing is conditioned on.
    pub default: TaskChoice,
    /// By data set conditioned on.
    pub by_condition: BTreeMap<String, TaskChoice>,
}

/// Some tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskChoice {
    /// Those on the data set conditioned on.
    Matched,
    /// These.
    Tasks(Vec<String>),
}

impl Evaluate {
    /// The same for every trial.
    pub fn same(choice: TaskChoice) -> Self {
        Evaluate { default: choice, by_condition: BTreeMap::new() }
    }

    /// The tasks for a data set conditioned on; `matched` gives those on it.
    pub fn tasks_on(&self, condition_on: &str, matched: impl Fn(&str) -> Vec<String>) -> Vec<String> {
        match self.of(condition_on) {
            TaskChoice::Matched => matched(condition_on),
            TaskChoice::Tasks(tasks) => tasks.clone(),
        }
    }

    /// The tasks that are named.
    pub fn named(&self) -> impl Iterator<Item = &String> {
        let choices = std::iter::once(&self.default).chain(self.by_condition.values());
        choices.flat_map(|choice| match choice {
            TaskChoice::Matched => &[][..],
            TaskChoice::Tasks(tasks) => tasks,
        })
    }

    /// The choice for a data set conditioned on.
    pub fn of(&self, condition_on: &str) -> &TaskChoice {
        self.by_condition.get(condition_on).unwrap_or(&self.default)
    }
}

/// A command of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandStage {
    /// What it is called; in the tables, its task.
    pub name: String,
    /// How often it runs.
    pub each: Each,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What it reads.
    pub needs: Vec<Need>,
    /// The user's files, by the names under which it finds them in its working directory.
    pub files: Vec<(String, PathBuf)>,
    /// Environment variables with their values.
    pub env: BTreeMap<String, String>,
    /// Environment variables that are passed on, sorted.
    pub pass: Vec<String>,
    /// What it runs in.
    pub image: Option<String>,
    /// What is kept of its output, sorted.
    pub outputs: Vec<String>,
    /// Which file of its output has numbers for the tables.
    pub metrics: Option<String>,
    /// Where it was written.
    pub position: Position,
}

/// How often a command runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Each {
    /// For each trial, the 16-bit model included.
    #[default]
    Trial,
    /// For each model.
    Model,
}

/// Something that a command reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A stage's artifact, or the base model, by its role for the trial.
    Role(&'static str),
    /// A model folder with the weights of the trial's checkpoint.
    Weights,
    /// The artifact of another command.
    Stage(String),
}

impl Need {
    /// How it is written.
    pub fn name(&self) -> &str {
        match self {
            Need::Role(role) => role,
            Need::Weights => WEIGHTS,
            Need::Stage(name) => name,
        }
    }
}

/// What is rendered, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Template files or names of built-in templates.
    pub templates: Vec<String>,
    /// Folder that receives tables and rendered templates.
    pub dir: PathBuf,
}
