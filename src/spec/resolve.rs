//! What was written → what is meant: defaults filled in, names looked up, axes expanded.

use super::builtin;
use super::dataset::{Dataset, Task};
use super::datasets;
use super::declared::Declared;
use super::evaluate::{self, Context};
use super::experiment::{
    Calibration, CalibrationSampling, Evaluate, Experiment, ModelSource, Report, TaskChoice,
};
use super::location::Location;
use super::methods::{self, Sizes};
use super::node::Place;
use super::raw;
use super::read::{Field, List, Names, Reader, Spanned};
use super::run::RunSettings;
use super::scalar::{FilePath, Name};
use super::stages;
use super::tasks;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tacq_protocol::units::{Bits, NSamples, Seed, SeqLen};

/// The built-in template that is rendered when none is named.
pub const DEFAULT_TEMPLATE: &str = "table.md.j2";

/// Resolves an experiment. Whatever is wrong is reported; then there may be no result.
pub fn resolve(raw: raw::Experiment, path: &Path, reader: &mut Reader) -> Option<Experiment> {
    let calibration = calibration(raw.calibration.given().unwrap_or_default());
    let datasets_known = !matches!(raw.datasets, Field::Invalid);
    let datasets = raw.datasets.given();
    let in_file = names_of(datasets.as_ref(), reader);
    let datasets = datasets::declare(datasets, reader);
    let mut declared = tasks::declare(datasets, in_file, raw.tasks, calibration.seq_len, reader);
    declared.is_complete &= datasets_known;
    let stages = stages::declare(raw.stages, &declared.tasks.keys().cloned().collect(), reader);

    let name = raw.name.given().map(|name| name.value.0);
    let models = raw.model.given().map(|list| models(list, reader));
    let sweep = raw.sweep.given();
    let has_sweep = sweep.is_some();
    let sweep = sweep.unwrap_or_default();
    let sweep_place = sweep.place.clone();
    let by_budget = sweep.budget.is_present();
    let sizes = if has_sweep { sizes(sweep.bits, sweep.budget, &sweep_place, reader) } else { None };
    let seeds = match sweep.seed.given() {
        Some(list) => values(reader.distinct(list)),
        None => vec![Seed::new(0).expect("0 is a seed")],
    };
    let methods = sweep.methods.given();
    let quantizations = methods.map(|methods| methods::expand(methods, by_budget, sizes, reader));

    let has_condition = sweep.condition_on.is_present();
    if let (false, Some(quantizations)) = (has_condition, &quantizations)
        && let Some((_, method)) = quantizations.iter().find(|(_, method)| method.needs_calibration())
    {
        let message = format!("the key `condition_on` is missing: {} needs a calibration set", method.name());
        let hint = "name a data set: `condition_on: NAME`".to_owned();
        reader.report_with(&sweep_place, message, Some(hint));
    }
    let condition_on = sweep.condition_on.given().map(|list| reader.distinct(list)).unwrap_or_default();
    check_condition(&condition_on, &declared, reader);
    let context =
        Context { has_condition, condition_on: &condition_on, declared: &declared, experiment: &raw.place };
    let evaluate_position = match &raw.evaluate {
        Field::Given(evaluate) => evaluate.place.position,
        Field::Absent | Field::Invalid => raw.place.position,
    };
    let evaluate = evaluate::evaluate(raw.evaluate, &context, reader);

    let report = report(raw.report.given().unwrap_or_default(), name.as_deref().unwrap_or_default(), reader);
    for (name, dataset) in &mut declared.datasets {
        let condition = condition_on.iter().find(|condition| condition.value.0 == *name);
        let position = condition.map_or(evaluate_position, |condition| condition.place.position);
        if let Some(dataset) = dataset {
            datasets::named_at(name, dataset, position);
        }
    }
    let condition_on: Vec<String> = condition_on.into_iter().map(|name| name.value.0).collect();
    let evaluate = evaluate?;
    let (datasets, tasks) = named(declared, &condition_on, &evaluate);
    Some(Experiment {
        path: path.to_owned(),
        models: models?,
        condition_on,
        seeds,
        quantizations: quantizations?,
        calibration,
        evaluate,
        tasks,
        datasets,
        stages,
        baseline: raw.baseline.given().unwrap_or(true),
        report,
        run: RunSettings::new(raw.run.given().unwrap_or_default(), reader),
        name: name?,
    })
}

/// The bit widths or budgets of the sweep, of which there must be one; nothing if they are wrong.
fn sizes(
    bits: Field<List<Bits>>,
    budget: Field<raw::Budget>,
    sweep: &Place,
    reader: &mut Reader,
) -> Option<Sizes> {
    match (bits, budget) {
        (Field::Absent, Field::Absent) => {
            let hint = "it is required: bits per quantized weight, or `budget: {avg_bits: …}`".to_owned();
            reader.report_with(sweep, "the key `bits` is missing", Some(hint));
            None
        }
        (bits, Field::Absent) => Some(Sizes::Bits(values(reader.distinct(bits.given()?)))),
        (Field::Absent, budget) => Some(Sizes::Budgets(reader.distinct(budget.given()?.avg_bits.given()?))),
        (_, budget) => {
            let place = budget.given().map_or_else(|| sweep.clone(), |budget| budget.place);
            let message = "there are `bits` and a `budget`, from which bits follow";
            reader.report_with(&place, message, Some("remove one of them".to_owned()));
            None
        }
    }
}

/// The declared names of data sets; reports those that cannot be one.
fn names_of(datasets: Option<&Names<raw::Dataset>>, reader: &mut Reader) -> BTreeSet<String> {
    let entries = datasets.map(|names| names.entries.as_slice()).unwrap_or_default();
    for (Spanned { value: name, place }, _) in entries {
        tasks::check_reserved(name, place, reader);
    }
    entries.iter().map(|(name, _)| name.value.clone()).collect()
}

/// The data sets and tasks that the file declares or names, without the other built-in ones.
fn named(
    declared: Declared,
    condition_on: &[String],
    evaluate: &Evaluate,
) -> (BTreeMap<String, Dataset>, BTreeMap<String, Task>) {
    let Declared { datasets, tasks, in_file, .. } = declared;
    let choices = std::iter::once(&evaluate.default).chain(evaluate.by_condition.values());
    let evaluated: BTreeSet<&String> = choices
        .flat_map(|choice| match choice {
            TaskChoice::Matched => &[][..],
            TaskChoice::Tasks(tasks) => tasks,
        })
        .collect();
    let is_named =
        |name: &String| in_file.contains(name) || evaluated.contains(name) || condition_on.contains(name);
    let tasks: BTreeMap<String, Task> = tasks
        .into_iter()
        .filter_map(|(name, task)| Some((name, task?)))
        .filter(|(name, task)| is_named(name) || is_named(&task.dataset))
        .collect();
    let is_read = |name: &String| tasks.values().any(|task| task.dataset == *name);
    let datasets = datasets
        .into_iter()
        .filter_map(|(name, set)| Some((name, set?)))
        .filter(|(name, _)| is_named(name) || is_read(name))
        .collect();
    (datasets, tasks)
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
            Some(Some(dataset))
                if builtin::content(name).is_none()
                    && !dataset.parts.contains_key(&dataset.content.calibration_part()) =>
            {
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
