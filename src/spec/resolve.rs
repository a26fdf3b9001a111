//! What was written → what is meant: defaults filled in, names looked up, axes expanded.

use super::axes::add_new;
use super::builtin;
use super::dataset::{Dataset, Task};
use super::datasets;
use super::declared::Declared;
use super::error::Position;
use super::evaluate::{self, Context};
use super::experiment::{
    Calibration, CalibrationSampling, Evaluate, Experiment, Method, ModelSource, Report, Sweep, TaskChoice,
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
    let calibration = calibration(raw.calibration.given().unwrap_or_default(), default_calibration());
    let datasets_known = !matches!(raw.datasets, Field::Invalid);
    let datasets = raw.datasets.given();
    let in_file = names_of(datasets.as_ref(), reader);
    let datasets = datasets::declare(datasets, reader);
    let mut declared = tasks::declare(datasets, in_file, raw.tasks, calibration.seq_len, reader);
    declared.is_complete &= datasets_known;
    let stages = stages::declare(raw.stages, &declared.tasks.keys().cloned().collect(), reader);

    let name = raw.name.given().map(|name| name.value.0);
    let mut known = Vec::new();
    let models = raw.model.given().map(|list| models(list, &mut known, reader));
    let evaluate_position = match &raw.evaluate {
        Field::Given(evaluate) => evaluate.place.position,
        Field::Absent | Field::Invalid => raw.place.position,
    };
    let sweeps = raw.sweep.given().map(|list| list.items).unwrap_or_default();
    let has_sweeps = !sweeps.is_empty();
    let conditions = sweeps.iter().filter_map(|sweep| match &sweep.value.condition_on {
        Field::Given(list) => Some(list.items.clone()),
        Field::Absent | Field::Invalid => None,
    });
    let conditions: Vec<Spanned<Name>> = conditions.flatten().collect();
    let mut resolver = SweepResolver {
        models,
        known,
        calibration,
        evaluate: raw.evaluate,
        declared: &declared,
        experiment: &raw.place,
        conditions: &conditions,
        evaluated_at: Vec::new(),
    };
    // Without a sweep the rest is checked all the same.
    let sweeps = if has_sweeps {
        sweeps
    } else {
        vec![Spanned { value: raw::Sweep::default(), place: Place::default() }]
    };
    let sweeps: Vec<Option<Sweep>> =
        sweeps.into_iter().map(|sweep| resolver.sweep(sweep.value, has_sweeps, reader)).collect();
    let SweepResolver { known: models, evaluated_at, .. } = resolver;
    let evaluated_at: BTreeMap<String, Position> = declared
        .datasets
        .keys()
        .filter_map(|dataset| {
            let is_named = |(named, _): &&(Vec<String>, Position)| {
                declared.tasks_on(dataset).any(|task| named.iter().any(|name| name == task))
            };
            evaluated_at.iter().find(is_named).map(|(_, position)| (dataset.clone(), *position))
        })
        .collect();

    let report = report(raw.report.given().unwrap_or_default(), name.as_deref().unwrap_or_default(), reader);
    for (name, dataset) in &mut declared.datasets {
        let condition = conditions.iter().find(|condition| condition.value.0 == *name);
        let evaluated = evaluated_at.get(name).copied().unwrap_or(evaluate_position);
        let position = condition.map_or(evaluated, |condition| condition.place.position);
        if let Some(dataset) = dataset {
            datasets::named_at(name, dataset, position);
        }
    }
    let sweeps = sweeps.into_iter().collect::<Option<Vec<Sweep>>>()?;
    let (datasets, tasks) = named(declared, &sweeps);
    let (models, sweeps) = used(models, sweeps);
    Some(Experiment {
        path: path.to_owned(),
        models,
        sweeps,
        calibration,
        tasks,
        datasets,
        stages,
        baseline: raw.baseline.given().unwrap_or(true),
        report,
        run: RunSettings::new(raw.run.given().unwrap_or_default(), reader),
        name: name?,
    })
}

/// What sweeps are resolved against, and what they have in common.
struct SweepResolver<'a> {
    /// Those of sweeps that name none; nothing if they are wrong.
    models: Option<Vec<usize>>,
    /// All models so far.
    known: Vec<ModelSource>,
    calibration: Calibration,
    evaluate: Field<Spanned<raw::Evaluate>>,
    declared: &'a Declared,
    experiment: &'a Place,
    /// The data sets that any sweep conditions on.
    conditions: &'a [Spanned<Name>],
    /// The tasks that sweeps name for themselves, and where.
    evaluated_at: Vec<(Vec<String>, Position)>,
}

impl SweepResolver<'_> {
    /// Resolves a sweep; nothing if something in it is wrong, which is reported. `is_there`: whether it was written.
    fn sweep(&mut self, sweep: raw::Sweep, is_there: bool, reader: &mut Reader) -> Option<Sweep> {
        let place = sweep.place.clone();
        let by_budget = sweep.budget.is_present();
        let sizes = if is_there { sizes(sweep.bits, sweep.budget, &place, reader) } else { None };
        let seeds = match sweep.seed.given() {
            Some(list) => values(reader.distinct(list)),
            None => vec![Seed::new(0).expect("0 is a seed")],
        };
        let methods = sweep.methods.given().map(|list| methods::expand(list, by_budget, reader));
        let has_condition = sweep.condition_on.is_present();
        if let (false, Some(methods)) = (has_condition, &methods)
            && let Some(method) = methods.iter().find(|method| method.needs_calibration())
        {
            let message =
                format!("the key `condition_on` is missing: {} needs a calibration set", method.name());
            let hint = "name a data set: `condition_on: NAME`".to_owned();
            reader.report_with(&place, message, Some(hint));
        }
        let condition_on = sweep.condition_on.given().map(|list| reader.distinct(list)).unwrap_or_default();
        check_condition(&condition_on, self.declared, reader);
        let is_own = !matches!(sweep.evaluate, Field::Absent);
        let evaluate = if is_own { sweep.evaluate } else { self.evaluate.clone() };
        // What all sweeps share may be a choice by the data sets of others.
        let is_of_others = !is_own
            && !has_condition
            && !self.conditions.is_empty()
            && matches!(&evaluate, Field::Given(shared) if shared.value.needs_condition());
        let conditions = if is_of_others { self.conditions } else { &condition_on };
        let context = Context {
            has_condition: has_condition || is_of_others,
            condition_on: conditions,
            named: if is_own { &condition_on } else { self.conditions },
            declared: self.declared,
            experiment: self.experiment,
        };
        let evaluate_position = match &evaluate {
            Field::Given(evaluate) if is_own => Some(evaluate.place.position),
            _ => None,
        };
        let mut evaluate = evaluate::evaluate(evaluate, &context, reader);
        if is_of_others {
            evaluate = evaluate.map(|evaluate| self.on_all(&evaluate));
        }
        if let (Some(position), Some(evaluate)) = (evaluate_position, &evaluate) {
            self.evaluated_at.push((evaluate.named().cloned().collect(), position));
        }
        let models = match sweep.model {
            Field::Absent => self.models.clone(),
            own => own.given().map(|list| models(list, &mut self.known, reader)),
        };
        let calibration = match sweep.calibration.given() {
            Some(own) => calibration(own, self.calibration),
            None => self.calibration,
        };
        let condition_on = condition_on.into_iter().map(|name| name.value.0).collect();
        let methods: Vec<Method> =
            methods?.into_iter().map(|method| method.without_default(calibration.n_samples)).collect();
        let quantizations = methods::at_sizes(&methods, sizes?, reader);
        Some(Sweep { models: models?, condition_on, quantizations, seeds, calibration, evaluate: evaluate? })
    }

    /// The tasks of all data sets conditioned on, for a sweep that conditions on none.
    fn on_all(&self, evaluate: &Evaluate) -> Evaluate {
        let matched = |dataset: &str| self.declared.tasks_on(dataset).map(str::to_owned).collect();
        let mut tasks: Vec<String> = Vec::new();
        for Spanned { value: Name(dataset), .. } in self.conditions {
            add_new(&mut tasks, evaluate.tasks_on(dataset, matched));
        }
        Evaluate::same(TaskChoice::Tasks(tasks))
    }
}

/// The models that a sweep has, and the sweeps with their places among these.
fn used(models: Vec<ModelSource>, mut sweeps: Vec<Sweep>) -> (Vec<ModelSource>, Vec<Sweep>) {
    let is_used = |index: &usize| sweeps.iter().any(|sweep| sweep.models.contains(index));
    let kept: Vec<usize> = (0..models.len()).filter(is_used).collect();
    for index in sweeps.iter_mut().flat_map(|sweep| &mut sweep.models) {
        *index = kept.binary_search(index).expect("it is used");
    }
    let models = models.into_iter().enumerate().filter(|(index, _)| kept.binary_search(index).is_ok());
    (models.map(|(_, model)| model).collect(), sweeps)
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
fn named(declared: Declared, sweeps: &[Sweep]) -> (BTreeMap<String, Dataset>, BTreeMap<String, Task>) {
    let Declared { datasets, tasks, in_file, .. } = declared;
    let evaluated: BTreeSet<&String> = sweeps.iter().flat_map(|sweep| sweep.evaluate.named()).collect();
    let is_condition = |name: &String| sweeps.iter().any(|sweep| sweep.condition_on.contains(name));
    let is_named = |name: &String| in_file.contains(name) || evaluated.contains(name) || is_condition(name);
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

/// The places of models among all that are `known`; new ones are added.
fn models(list: List<FilePath>, known: &mut Vec<ModelSource>, reader: &mut Reader) -> Vec<usize> {
    let mut models: Vec<usize> = Vec::new();
    for Spanned { value: FilePath(text), place } in list.items {
        let location = Location::of_model(&text);
        // `/a/b/` and `/a/./b` are `/a/b`: components of paths compare so.
        let index = known.iter().position(|model| model.location == location).unwrap_or(known.len());
        if models.contains(&index) {
            let message = format!("the same model as `{}`", known[index].text);
            reader.report_with(&place, message, Some("remove one of them".to_owned()));
            continue;
        }
        if index == known.len() {
            known.push(ModelSource { text, location, position: place.position });
        }
        models.push(index);
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

/// How calibration sets are drawn; what is not written is as in `elsewhere`.
fn calibration(raw: raw::Calibration, elsewhere: Calibration) -> Calibration {
    Calibration {
        n_samples: raw.n_samples.given().unwrap_or(elsewhere.n_samples),
        seq_len: raw.seq_len.given().unwrap_or(elsewhere.seq_len),
        sampling: raw.sampling.given().unwrap_or(elsewhere.sampling),
    }
}

fn default_calibration() -> Calibration {
    Calibration {
        n_samples: NSamples::new(128).expect("in range"),
        seq_len: SeqLen::new(2048).expect("in range"),
        sampling: CalibrationSampling::Random,
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
