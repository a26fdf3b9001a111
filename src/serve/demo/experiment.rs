//! What is chosen as an experiment, like one of a file.

use super::Demo;
use super::choices::{Choices, METHODS, Sizes};
use crate::fsx::{self, FsError};
use crate::hub::{Hub, Settings};
use crate::plan::{self, PlannedTrial, Stage, StageId};
use crate::report::NO_METHOD;
use crate::serve::site::Opened;
use crate::spec;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tacq_protocol::artifact::counted::OUTLIER_BITS;

/// Name of the task that goes on with a visitor's text.
pub(super) const PROMPT: &str = "prompt";
/// TaCQ, which everything is put beside.
pub(super) const TACQ: &str = "tacq";
/// What makes the change that saliency looks at.
const UNIFORM: &str = "gptq";
/// Visitors' texts that are kept; their answers are artifacts.
const KEPT_PROMPTS: usize = 1000;
/// Tokens that a model adds to a visitor's text.
const ANSWER_TOKENS: u32 = 64;

/// On what the demonstration is run.
#[derive(Debug, Clone)]
pub struct DemoSettings {
    /// The model's folder.
    pub model: PathBuf,
    /// A folder with data sets in the layouts of those that come with the repository.
    pub data: PathBuf,
    /// Where artifacts are kept.
    pub store: PathBuf,
    /// Where stages run, such as `cpu` or `cuda:0`.
    pub device: String,
}

/// Why there is no experiment.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("{0}")]
    Spec(String),
    #[error("{}", .0.join("; "))]
    Sources(Vec<String>),
}

impl Demo {
    /// The experiment of these choices, with its plan.
    pub(super) fn open(&self, choices: &Choices) -> Result<Opened, DemoError> {
        let prompt = choices.prompt.as_deref().map(|prompt| self.keep_prompt(prompt)).transpose()?;
        let text = text(&self.settings, choices, prompt.as_deref()).to_string();
        let experiment = spec::parse_str(Path::new("demonstration"), &text, &[])
            .map_err(|e| DemoError::Spec(e.to_string()))?;
        let hub = self.hub();
        let mut digests = self.store.source_digests();
        let plan = plan::build(&experiment, &mut digests, &hub);
        digests.save();
        if !plan.problems.is_empty() {
            return Err(DemoError::Sources(
                plan.problems.iter().map(|problem| problem.message.clone()).collect(),
            ));
        }
        Ok(Opened { experiment, plan, store: self.store.clone() })
    }

    /// The hub, which is not asked: all is here.
    pub(super) fn hub(&self) -> Hub {
        Hub::new(Settings { offline: true, ..Settings::from_env() }, self.store.hub_memory(), false)
    }

    /// A visitor's text as a data set of one record.
    fn keep_prompt(&self, prompt: &str) -> Result<PathBuf, FsError> {
        let folder = self.store.serve_dir().join("prompts");
        fsx::create_dir_all(&folder)?;
        let record = json!({ "prompt": prompt, "answer": "-" }).to_string();
        let path = folder.join(format!("{}.jsonl", &blake3::hash(record.as_bytes()).to_hex()[..32]));
        if !fsx::exists(&path) {
            forget_the_oldest(&folder)?;
            fsx::write_atomic(&path, format!("{record}\n").as_bytes())?;
        }
        fsx::canonicalize(&path)
    }
}

/// Makes room for one more text among [`KEPT_PROMPTS`].
fn forget_the_oldest(folder: &Path) -> Result<(), FsError> {
    let all = fsx::list_dir(folder)?;
    if all.len() < KEPT_PROMPTS {
        return Ok(());
    }
    let age = |path: &PathBuf| fsx::metadata(path).ok().and_then(|found| found.modified().ok());
    match all.into_iter().min_by_key(age) {
        Some(oldest) => fsx::remove_file(&oldest),
        None => Ok(()),
    }
}

/// Evaluations that are waited for: of the 16-bit model, TaCQ, what it starts from, and the method that was chosen. Those of
/// the other methods are made afterwards; a visitor's text is given to all models that are there.
pub(super) fn first(opened: &Opened, choices: &Choices) -> Vec<StageId> {
    let Opened { plan, store, .. } = opened;
    let is_there = |method: &str| {
        let checkpoints =
            trials(opened).into_iter().filter(|(_, of)| of == method).filter_map(|(t, _)| t.checkpoint);
        let stages = checkpoints.map(|id| &plan.stages[id]);
        let has = |stage: &Stage| stage.key().is_some_and(|key| store.has(stage.kind(), key));
        stages.into_iter().all(has)
    };
    of_methods(opened, |method| {
        [NO_METHOD, TACQ, UNIFORM, choices.method.as_str()].contains(&method)
            || (choices.prompt.is_some() && is_there(method))
    })
}

/// The evaluations of each other method, in the order of [`METHODS`].
pub(super) fn others(opened: &Opened, choices: &Choices) -> Vec<Vec<StageId>> {
    let others = METHODS.iter().filter(|method| **method != UNIFORM && **method != choices.method);
    others.map(|other| of_methods(opened, |method| method == *other)).collect()
}

/// The trials' evaluations whose method is meant.
pub(super) fn of_methods(opened: &Opened, is_meant: impl Fn(&str) -> bool) -> Vec<StageId> {
    let meant = |(_, method): &(&PlannedTrial, String)| is_meant(method);
    let trials = trials(opened).into_iter().filter(meant);
    let mut ids: Vec<StageId> =
        trials.flat_map(|(trial, _)| trial.evaluations.iter().map(|(_, id)| *id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The trials, with the names of their methods.
pub(super) fn trials(opened: &Opened) -> Vec<(&PlannedTrial, String)> {
    let of = crate::report::trial_coordinates(&opened.experiment, &opened.plan);
    opened.plan.trials.iter().zip(of).map(|(trial, of)| (trial, of.method)).collect()
}

/// A decimal as a number of a file.
fn decimal(number: Decimal) -> Value {
    json!(number.normalize().to_string().parse::<f64>().expect("a decimal is a number"))
}

/// An experiment file's contents. JSON is YAML, too, and nothing in it has to be quoted by hand.
fn text(settings: &DemoSettings, choices: &Choices, prompt: Option<&Path>) -> Value {
    let data = |name: &str| settings.data.join(name);
    let ratio: Decimal = choices.ratio.parse().expect("offered");
    let grid = |bits: (&str, Value), methods: Vec<Value>| {
        let mut grid = json!({ "condition_on": choices.task, "seed": choices.seed, "methods": methods });
        grid[bits.0] = bits.1;
        grid
    };
    let tacq = json!({ TACQ: { "outlier_ratio": decimal(ratio) } });
    let others = METHODS.iter().map(|method| json!(method));
    let bits = ("bits", json!(choices.bits));
    let sweep = match choices.sizes {
        Sizes::Own => grid(bits, std::iter::once(tacq).chain(others).collect()),
        Sizes::Equal => {
            // A weight that stays has its 16 bits and the 16 of its place, in place of its code.
            let size =
                Decimal::from(choices.bits) + Decimal::from(OUTLIER_BITS - u32::from(choices.bits)) * ratio;
            let equal = ("budget", json!({ "avg_bits": decimal(size) }));
            json!([grid(bits, vec![tacq, json!(UNIFORM)]), grid(equal, others.collect())])
        }
    };
    let mut datasets = json!({
        "mmlu": { "path": data("mmlu") },
        "gsm8k": { "path": data("gsm8k") },
        "spider": { "path": data("spider") },
        "prose": { "train": data("text/train.txt"), "test": data("text/test.txt") },
    });
    let mut tasks = json!({
        "gsm8k": { "decoding": "greedy", "max_new_tokens": 80, "limit": 32 },
        "mmlu": { "limit": 64 },
        "spider": { "max_new_tokens": 80, "limit": 24 },
        "prose": { "seq_len": 512, "n_windows": 16 },
    });
    if let Some(path) = prompt {
        let own =
            json!({ "train": path, "test": path, "prompt": "{{ prompt }}", "completion": "{{ answer }}" });
        datasets[PROMPT] = own;
        tasks = json!({ PROMPT: { "type": "exact_match", "decoding": "greedy", "max_new_tokens": ANSWER_TOKENS } });
    }
    let task = if prompt.is_some() { PROMPT } else { choices.task.as_str() };
    let cpu = settings.device == "cpu";
    json!({
        "name": "demonstration",
        "model": settings.model,
        "datasets": datasets,
        "sweep": sweep,
        "calibration": { "n_samples": 16, "seq_len": 512 },
        "tasks": tasks,
        "evaluate": [task],
        "baseline": true,
        "run": {
            "devices": [settings.device],
            "dtype": if cpu { "f32" } else { "bf16" },
            "batch_size": 256,
            "store": settings.store,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::choices::{BITS, RATIOS, TASKS, some};
    use super::*;

    #[test]
    fn every_choice_is_an_experiment() {
        let settings = DemoSettings {
            model: "model: [x]".into(),
            data: "a folder with: colons".into(),
            store: "s".into(),
            device: "cpu".into(),
        };
        let trials = |choices: &Choices, prompt: Option<&Path>| {
            let text = text(&settings, choices, prompt).to_string();
            let experiment = spec::parse_str(Path::new("demonstration"), &text, &[]);
            spec::trials(&experiment.unwrap_or_else(|error| panic!("{choices:?}: {error}"))).len()
        };
        for task in TASKS {
            let choices = Choices { task: task.into(), ..some() };
            for prompt in [None, Some(Path::new("p.jsonl"))] {
                assert_eq!(trials(&choices, prompt), METHODS.len() + 2, "{task}");
            }
        }
        for (bits, ratio) in BITS.into_iter().flat_map(|bits| RATIOS.map(|ratio| (bits, ratio))) {
            let choices = Choices { bits, ratio: ratio.into(), sizes: Sizes::Equal, ..some() };
            assert_eq!(trials(&choices, None), METHODS.len() + 3, "and GPTQ without groups: {bits} {ratio}");
        }
    }
}
