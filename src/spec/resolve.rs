//! What was written → what is meant: defaults filled in, names looked up, axes expanded.

use super::experiment::{Calibration, CalibrationSampling, Experiment, ModelSource, Report, RunSettings};
use super::location::Location;
use super::methods;
use super::node::Place;
use super::raw;
use super::read::{Field, List, Reader, Spanned};
use super::scalar::{FilePath, Name};
use super::tasks::{self, Declared};
use std::path::Path;
use tacq_protocol::units::{DType, Device, NSamples, Seed, SeqLen};

/// The built-in template that is rendered when none is named.
pub const DEFAULT_TEMPLATE: &str = "table.md.j2";

const DEFAULT_STORE: &str = ".tacq";
const DEFAULT_CHECKPOINT_SECS: u32 = 30;

/// Resolves an experiment. Whatever is wrong is reported; then there may be no result.
pub fn resolve(raw: raw::Experiment, path: &Path, reader: &mut Reader) -> Option<Experiment> {
    let calibration = calibration(raw.calibration.given().unwrap_or_default());
    let datasets_known = !matches!(raw.datasets, Field::Invalid);
    let mut declared = tasks::declare(raw.datasets.given(), raw.tasks, calibration.seq_len, reader);
    declared.is_complete &= datasets_known;

    let name = raw.name.given().map(|name| name.value.0);
    let models = raw.model.given().map(|list| models(list, reader));
    let sweep = raw.sweep.given();
    let sweep_place = sweep.as_ref().map_or_else(Place::default, |sweep| sweep.place.clone());
    let sweep = sweep.unwrap_or_default();
    let bits = sweep.bits.given().map(|list| values(reader.distinct(list)));
    let seeds = match sweep.seed.given() {
        Some(list) => values(reader.distinct(list)),
        None => vec![Seed::new(0).expect("0 is a seed")],
    };
    let methods = sweep.methods.given().map(|list| methods::expand(list, reader));

    let has_condition = sweep.condition_on.is_present();
    if let (false, Some(methods)) = (has_condition, &methods)
        && let Some(method) = methods.iter().find(|method| method.needs_calibration())
    {
        let message = format!("the key `condition_on` is missing: {} needs a calibration set", method.name());
        let hint = "name a data set: `condition_on: NAME`".to_owned();
        reader.report_with(&sweep_place, message, Some(hint));
    }
    let condition_on = sweep.condition_on.given().map(|list| reader.distinct(list)).unwrap_or_default();
    check_condition(&condition_on, &declared, reader);
    let evaluate = tasks::evaluate(raw.evaluate, has_condition, &condition_on, &declared, &raw.place, reader);

    let report = report(raw.report.given().unwrap_or_default(), name.as_deref().unwrap_or_default(), reader);
    Some(Experiment {
        path: path.to_owned(),
        models: models?,
        condition_on: condition_on.into_iter().map(|name| name.value.0).collect(),
        bits: bits?,
        seeds,
        methods: methods?,
        calibration,
        evaluate: evaluate?,
        tasks: declared.tasks.into_iter().filter_map(|(name, task)| Some((name, task?))).collect(),
        datasets: declared.datasets.into_iter().filter_map(|(name, set)| Some((name, set?))).collect(),
        baseline: raw.baseline.given().unwrap_or(true),
        report,
        run: run(raw.run.given().unwrap_or_default()),
        name: name?,
    })
}

/// The values without their places.
pub fn values<T>(items: Vec<Spanned<T>>) -> Vec<T> {
    items.into_iter().map(|item| item.value).collect()
}

fn models(list: List<FilePath>, reader: &mut Reader) -> Vec<ModelSource> {
    let mut models: Vec<ModelSource> = Vec::new();
    for Spanned { value: FilePath(text), place } in list.items {
        let location = Location::of_model(&text);
        // `/a/b/` and `/a/./b` are `/a/b`: components of paths compare so.
        if let Some(same) = models.iter().find(|model| model.location == location) {
            let message = format!("the same model as `{}`", same.text);
            reader.report_with(&place, message, Some("remove one of them".to_owned()));
            continue;
        }
        models.push(ModelSource { text, location, position: place.position });
    }
    models
}

fn check_condition(condition_on: &[Spanned<Name>], declared: &Declared, reader: &mut Reader) {
    for Spanned { value: Name(name), place } in condition_on {
        match declared.datasets.get(name) {
            Some(Some(dataset)) if dataset.train.is_none() => {
                let message = format!("data set `{name}` has no train split to calibrate on");
                let hint = format!("give `train: FILE` under datasets.{name}");
                reader.report_with(place, message, Some(hint));
            }
            Some(_) => {}
            None => declared.unknown_dataset(place, name, reader),
        }
    }
}

fn calibration(raw: raw::Calibration) -> Calibration {
    Calibration {
        n_samples: raw.n_samples.given().unwrap_or(NSamples::new(128).expect("in range")),
        seq_len: raw.seq_len.given().unwrap_or(SeqLen::new(2048).expect("in range")),
        sampling: raw.sampling.given().unwrap_or(CalibrationSampling::Random),
    }
}

fn report(raw: raw::Report, name: &str, reader: &mut Reader) -> Report {
    let templates = match raw.templates.given() {
        Some(list) => values(reader.distinct(list)).into_iter().map(|template| template.0).collect(),
        None => vec![DEFAULT_TEMPLATE.to_owned()],
    };
    let dir = raw.dir.given().map_or_else(|| Path::new("results").join(name), |dir| dir.0.into());
    Report { templates, dir }
}

fn run(raw: raw::Run) -> RunSettings {
    RunSettings {
        devices: raw.devices.given().map_or_else(|| vec![Device::Cpu], |list| values(list.items)),
        dtype: raw.dtype.given().unwrap_or(DType::F32),
        store: raw.store.given().map_or_else(|| DEFAULT_STORE.into(), |store| store.0.into()),
        threads: raw.threads.given().map(|threads| threads.get()),
        checkpoint_secs: raw.checkpoint_secs.given().map_or(DEFAULT_CHECKPOINT_SECS, |secs| secs.get()),
    }
}
