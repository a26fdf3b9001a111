//! The grid → trials, in one order that depends on the order of lists, never on the order of keys.

use super::dataset::Task;
use super::experiment::{CalibrationSampling, Each, Experiment, Method, TaskChoice};
use super::tasks::matched;
use std::collections::BTreeMap;
use tacq_protocol::stage::Score;
use tacq_protocol::units::{Bits, Seed};

/// One point of the grid. What does not influence its result is absent, so no two trials compute the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Index into [`Experiment::models`].
    pub model: usize,
    /// Data set to calibrate on; absent where nothing is calibrated.
    pub condition_on: Option<String>,
    /// Bit width; absent for the 16-bit baseline.
    pub bits: Option<Bits>,
    /// Method; absent for the 16-bit baseline.
    pub method: Option<Method>,
    /// Seed; absent where nothing is random.
    pub seed: Option<Seed>,
    /// Names of the tasks it is evaluated on, and of the commands that run for each trial.
    pub tasks: Vec<String>,
    label: String,
}

impl Trial {
    /// A short text that no other trial has, such as `SmolLM2-135M/wikitext2/tacq r=0.0035/3-bit/seed 0`.
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// All trials: by model, the baseline first, then by condition_on (none first), bits, method, seed.
pub fn trials(experiment: &Experiment) -> Vec<Trial> {
    let mut trials = Vec::new();
    // A label is made of parts that many trials share.
    let labelled = |(bits, method): &'_ (Bits, Method)| {
        (*bits, method.clone(), format!("{}/{bits}-bit", method.label()))
    };
    let quantizations: Vec<(Bits, Method, String)> = experiment.quantizations.iter().map(labelled).collect();
    for (model, model_name) in model_names(experiment).iter().enumerate() {
        let first = trials.len();
        for condition_on in std::iter::once(None).chain(experiment.condition_on.iter().map(Some)) {
            let tasks = tasks(condition_on.map(String::as_str), experiment);
            let place =
                condition_on.map_or_else(|| model_name.clone(), |name| format!("{model_name}/{name}"));
            for (bits, method, label) in &quantizations {
                if method.needs_calibration() != condition_on.is_some() {
                    continue;
                }
                let label = format!("{place}/{label}");
                let by_seed = depends_on_seed(method, experiment);
                trials.extend(seeded(&label, by_seed, &tasks, experiment).map(|(label, seed, tasks)| {
                    let (condition_on, method) = (condition_on.cloned(), Some(method.clone()));
                    Trial { model, condition_on, bits: Some(*bits), method, seed, tasks, label }
                }));
            }
        }
        if experiment.baseline {
            let tasks = distinct_tasks(&trials[first..]);
            let label = format!("{model_name}/16-bit");
            let baseline = seeded(&label, false, &tasks, experiment).map(|(label, seed, tasks)| Trial {
                model,
                condition_on: None,
                bits: None,
                method: None,
                seed,
                tasks,
                label,
            });
            let baseline: Vec<Trial> = baseline.collect();
            trials.splice(first..first, baseline);
        }
    }
    trials
}

/// A trial's labels, seeds and tasks. If what is evaluated depends on the seed, all tasks are repeated with each seed;
/// if not, only those whose answers are sampled, and the others are a trial without one.
fn seeded(
    label: &str,
    by_seed: bool,
    tasks: &[String],
    experiment: &Experiment,
) -> impl Iterator<Item = (String, Option<Seed>, Vec<String>)> {
    let is_sampled = |name: &String| experiment.tasks.get(name).is_some_and(Task::is_sampled);
    let (repeated, single): (Vec<String>, Vec<String>) =
        tasks.iter().cloned().partition(|task| by_seed || is_sampled(task));
    let seeds = if repeated.is_empty() { &[][..] } else { &experiment.seeds };
    let single = (!single.is_empty()).then(|| (label.to_owned(), None, single));
    let with_seed = |&seed: &Seed| (format!("{label}/seed {seed}"), Some(seed), repeated.clone());
    let with_seeds: Vec<_> = seeds.iter().map(with_seed).collect();
    single.into_iter().chain(with_seeds)
}

/// The tasks of some trials, each once, in the order of their first use.
fn distinct_tasks(trials: &[Trial]) -> Vec<String> {
    let mut tasks: Vec<String> = Vec::new();
    for task in trials.iter().flat_map(|trial| &trial.tasks) {
        if !tasks.contains(task) {
            tasks.push(task.clone());
        }
    }
    tasks
}

/// The models' names in labels and tables: the last part of the path or of the repository's name, or all that was
/// written where two share that.
pub fn model_names(experiment: &Experiment) -> Vec<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for model in &experiment.models {
        *count.entry(model.location.short_name()).or_default() += 1;
    }
    let name = |model: &super::experiment::ModelSource| {
        let last = model.location.short_name();
        if count[&last] > 1 { model.text.clone() } else { last }
    };
    experiment.models.iter().map(name).collect()
}

fn depends_on_seed(method: &Method, experiment: &Experiment) -> bool {
    let by_calibration =
        method.needs_calibration() && experiment.calibration.sampling == CalibrationSampling::Random;
    by_calibration || matches!(method, Method::Tacq(tacq) if tacq.saliency == Score::Random)
}

/// The tasks and commands of a trial.
fn tasks(condition_on: Option<&str>, experiment: &Experiment) -> Vec<String> {
    let commands = experiment.stages.iter().filter(|stage| stage.each == Each::Trial);
    let mut all = evaluated(condition_on, experiment);
    all.extend(commands.map(|stage| stage.name.clone()));
    all
}

/// The tasks of a trial; one that is conditioned on nothing takes what those of all calibration sets would.
fn evaluated(condition_on: Option<&str>, experiment: &Experiment) -> Vec<String> {
    let of = |choice: &TaskChoice, dataset: &str| -> Vec<String> {
        match choice {
            TaskChoice::Tasks(tasks) => tasks.clone(),
            TaskChoice::Matched => matched(&experiment.tasks, dataset).map(str::to_owned).collect(),
        }
    };
    let evaluate = &experiment.evaluate;
    match condition_on {
        Some(dataset) => of(evaluate.of(dataset), dataset),
        None if experiment.condition_on.is_empty() => of(&evaluate.default, ""),
        None => {
            let all = experiment.condition_on.iter().flat_map(|dataset| of(evaluate.of(dataset), dataset));
            let mut tasks: Vec<String> = Vec::new();
            for task in all {
                if !tasks.contains(&task) {
                    tasks.push(task);
                }
            }
            tasks
        }
    }
}
