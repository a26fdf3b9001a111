//! The grid → trials, in one order that depends on the order of lists, never on the order of keys.

use super::experiment::{CalibrationSampling, Evaluate, Experiment, Method};
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
    /// Names of the tasks it is evaluated on.
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
    for (model, model_name) in model_names(experiment).iter().enumerate() {
        let first = trials.len();
        let no_condition = std::iter::once(None);
        for condition_on in no_condition.chain(experiment.condition_on.iter().map(Some)) {
            for &bits in &experiment.bits {
                for method in &experiment.methods {
                    if method.needs_calibration() != condition_on.is_some() {
                        continue;
                    }
                    let seeds: Vec<Option<Seed>> = match depends_on_seed(method, experiment) {
                        true => experiment.seeds.iter().copied().map(Some).collect(),
                        false => vec![None],
                    };
                    trials.extend(seeds.into_iter().map(|seed| {
                        let mut trial = Trial {
                            model,
                            condition_on: condition_on.cloned(),
                            bits: Some(bits),
                            method: Some(method.clone()),
                            seed,
                            tasks: tasks(condition_on.map(String::as_str), experiment),
                            label: String::new(),
                        };
                        trial.label = label(model_name, &trial);
                        trial
                    }));
                }
            }
        }
        if experiment.baseline {
            let mut used: Vec<String> = Vec::new();
            for task in trials[first..].iter().flat_map(|trial| &trial.tasks) {
                if !used.contains(task) {
                    used.push(task.clone());
                }
            }
            let mut baseline = Trial {
                model,
                condition_on: None,
                bits: None,
                method: None,
                seed: None,
                tasks: used,
                label: String::new(),
            };
            baseline.label = label(model_name, &baseline);
            trials.insert(first, baseline);
        }
    }
    trials
}

/// The models' names in labels and tables: the last part of the path, or all of it where two share the last.
pub fn model_names(experiment: &Experiment) -> Vec<String> {
    let last = |folder: &std::path::Path| {
        folder
            .file_name()
            .map_or_else(|| folder.to_string_lossy(), |name| name.to_string_lossy())
            .into_owned()
    };
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for model in &experiment.models {
        *count.entry(last(&model.folder)).or_default() += 1;
    }
    let name = |model: &super::experiment::ModelSource| {
        let last = last(&model.folder);
        if count[&last] > 1 { model.text.clone() } else { last }
    };
    experiment.models.iter().map(name).collect()
}

fn depends_on_seed(method: &Method, experiment: &Experiment) -> bool {
    let by_calibration =
        method.needs_calibration() && experiment.calibration.sampling == CalibrationSampling::Random;
    by_calibration || matches!(method, Method::Tacq(tacq) if tacq.saliency == Score::Random)
}

/// The tasks of a trial; one that is conditioned on nothing takes what those of all calibration sets would.
fn tasks(condition_on: Option<&str>, experiment: &Experiment) -> Vec<String> {
    match (&experiment.evaluate, condition_on) {
        (Evaluate::Tasks(tasks), _) => tasks.clone(),
        (Evaluate::Matched, Some(dataset)) => {
            matched(&experiment.tasks, dataset).map(str::to_owned).collect()
        }
        (Evaluate::Matched, None) => {
            let datasets = experiment.condition_on.iter();
            datasets.flat_map(|dataset| matched(&experiment.tasks, dataset)).map(str::to_owned).collect()
        }
    }
}

fn label(model: &str, trial: &Trial) -> String {
    let mut parts = vec![model.to_owned()];
    parts.extend(trial.condition_on.clone());
    parts.push(trial.method.as_ref().map_or_else(|| "16-bit".to_owned(), Method::label));
    parts.extend(trial.bits.map(|bits| format!("{bits}-bit")));
    parts.extend(trial.seed.map(|seed| format!("seed {seed}")));
    parts.join("/")
}
