//! The sweep → trials, in one order that depends on the order of lists, never on the order of keys.

use super::dataset::Task;
use super::experiment::{Calibration, CalibrationSampling, Each, Experiment, Method, Sweep};
use super::tasks::matched;
use std::collections::BTreeMap;
use tacq_protocol::stage::Score;
use tacq_protocol::units::{Bits, Seed};

/// One point of the sweeps. What does not influence its result is absent, so no two trials compute the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Index into [`Experiment::models`].
    pub model: usize,
    /// Data set to calibrate on; absent where nothing is calibrated.
    pub condition_on: Option<String>,
    /// How its calibration set is drawn; as elsewhere in the experiment where nothing is calibrated.
    pub calibration: Calibration,
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

/// All trials: by model, the baseline first, then sweep by sweep, in each by condition_on (none first), bits, method, seed. A
/// trial that several sweeps have stands where the first has it, with the tasks of all.
pub fn trials(experiment: &Experiment) -> Vec<Trial> {
    let mut trials: Vec<Trial> = Vec::new();
    for (model, model_name) in model_names(experiment).iter().enumerate() {
        let mut of_model: Vec<Trial> = Vec::new();
        // By label, which says all that a trial is.
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut seeds = Vec::new();
        for sweep in experiment.sweeps.iter().filter(|sweep| sweep.models.contains(&model)) {
            add_new(&mut seeds, sweep.seeds.iter().copied());
            for trial in of_sweep(sweep, model, model_name, experiment) {
                match known.get(&trial.label) {
                    Some(&at) => add_new(&mut of_model[at].tasks, trial.tasks),
                    None => {
                        known.insert(trial.label.clone(), of_model.len());
                        of_model.push(trial);
                    }
                }
            }
        }
        if experiment.baseline {
            let mut tasks = Vec::new();
            add_new(&mut tasks, of_model.iter().flat_map(|trial| trial.tasks.clone()));
            let label = format!("{model_name}/16-bit");
            trials.extend(seeded(&label, false, &tasks, &seeds, experiment).map(|(label, seed, tasks)| {
                Trial {
                    model,
                    condition_on: None,
                    calibration: experiment.calibration,
                    bits: None,
                    method: None,
                    seed,
                    tasks,
                    label,
                }
            }));
        }
        trials.append(&mut of_model);
    }
    trials
}

/// The trials of one sweep on one model.
fn of_sweep(sweep: &Sweep, model: usize, model_name: &str, experiment: &Experiment) -> Vec<Trial> {
    let mut trials = Vec::new();
    // A label is made of parts that many trials share.
    let labelled =
        |(bits, method): &(Bits, Method)| (*bits, method.clone(), format!("{}/{bits}-bit", method.label()));
    let quantizations: Vec<(Bits, Method, String)> = sweep.quantizations.iter().map(labelled).collect();
    for condition_on in std::iter::once(None).chain(sweep.condition_on.iter().map(Some)) {
        let tasks = tasks(condition_on.map(String::as_str), sweep, experiment);
        let calibration = if condition_on.is_some() { sweep.calibration } else { experiment.calibration };
        let parts = condition_on.cloned().into_iter().chain(calibration.variant(experiment.calibration));
        let place = parts.fold(model_name.to_owned(), |place, part| format!("{place}/{part}"));
        for (bits, method, label) in &quantizations {
            if method.needs_calibration() != condition_on.is_some() {
                continue;
            }
            let label = format!("{place}/{label}");
            let by_seed = depends_on_seed(method, sweep);
            let seeded = seeded(&label, by_seed, &tasks, &sweep.seeds, experiment);
            trials.extend(seeded.map(|(label, seed, tasks)| {
                let (condition_on, method) = (condition_on.cloned(), Some(method.clone()));
                Trial { model, condition_on, calibration, bits: Some(*bits), method, seed, tasks, label }
            }));
        }
    }
    trials
}

/// Adds what is not there yet, in order.
pub(super) fn add_new<T: PartialEq>(all: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

/// A trial's labels, seeds and tasks. If what is evaluated depends on the seed, all tasks are repeated with each seed;
/// if not, only those whose answers are sampled, and the others are a trial without one.
fn seeded(
    label: &str,
    by_seed: bool,
    tasks: &[String],
    seeds: &[Seed],
    experiment: &Experiment,
) -> impl Iterator<Item = (String, Option<Seed>, Vec<String>)> + use<> {
    let is_sampled = |name: &String| experiment.tasks.get(name).is_some_and(Task::is_sampled);
    let (repeated, single): (Vec<String>, Vec<String>) =
        tasks.iter().cloned().partition(|task| by_seed || is_sampled(task));
    let seeds = if repeated.is_empty() { &[][..] } else { seeds };
    let single = (!single.is_empty()).then(|| (label.to_owned(), None, single));
    let with_seed = |&seed: &Seed| (format!("{label}/seed {seed}"), Some(seed), repeated.clone());
    let with_seeds: Vec<_> = seeds.iter().map(with_seed).collect();
    single.into_iter().chain(with_seeds)
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

fn depends_on_seed(method: &Method, sweep: &Sweep) -> bool {
    let by_calibration =
        method.needs_calibration() && sweep.calibration.sampling == CalibrationSampling::Random;
    by_calibration || matches!(method, Method::Tacq(tacq) if tacq.saliency == Score::Random)
}

/// The tasks and commands of a trial.
fn tasks(condition_on: Option<&str>, sweep: &Sweep, experiment: &Experiment) -> Vec<String> {
    let commands = experiment.stages.iter().filter(|stage| stage.each == Each::Trial);
    let mut all = evaluated(condition_on, sweep, experiment);
    all.extend(commands.map(|stage| stage.name.clone()));
    all
}

/// The tasks of a trial; one that is conditioned on nothing takes what those of all calibration sets would.
fn evaluated(condition_on: Option<&str>, sweep: &Sweep, experiment: &Experiment) -> Vec<String> {
    let matched = |dataset: &str| matched(&experiment.tasks, dataset).map(str::to_owned).collect();
    let on = |dataset: &str| sweep.evaluate.tasks_on(dataset, matched);
    match condition_on {
        Some(dataset) => on(dataset),
        None if sweep.condition_on.is_empty() => on(""),
        None => {
            let mut tasks: Vec<String> = Vec::new();
            add_new(&mut tasks, sweep.condition_on.iter().flat_map(|dataset| on(dataset)));
            tasks
        }
    }
}
