//! Commands of the user's own: names looked up, paths checked, in an order in which each finds what it needs.

use super::experiment::{CommandStage, Each, Need};
use super::node::Place;
use super::raw::{Stage, Variables};
use super::raw_stages::inner_path;
use super::read::{Field, List, Names, Reader, Spanned};
use super::scalar::{FilePath, Name};
use super::suggest::suggest;
use super::tasks::check_reserved;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tacq_protocol::artifact::{file, role};
use tacq_protocol::command::{OWN_VARIABLES, PASSED_VARIABLES, WEIGHTS, variable};

/// What a command can need of a trial beside the model.
const OF_TRIALS: [&str; 6] =
    [WEIGHTS, role::CHECKPOINT, role::MASK, role::SALIENCY, role::GRADIENTS, role::CALIBRATION];

/// The declared commands, each after those that it needs. `tasks` are names that rows of the tables have already.
pub fn declare(
    stages: Field<Names<Stage>>,
    tasks: &BTreeSet<String>,
    reader: &mut Reader,
) -> Vec<CommandStage> {
    let entries = stages.given().map(|names| names.entries).unwrap_or_default();
    let names: Vec<String> = entries.iter().map(|(name, _)| name.value.clone()).collect();
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut declared = Vec::new();
    for (Spanned { value: name, place }, raw) in entries {
        check_name(&name, &place, tasks, &mut variables, reader);
        let stage = raw.and_then(|raw| stage(&name, &place, raw, &names, reader));
        declared.extend(stage.map(|stage| (stage, place)));
    }
    check_levels(&declared, reader);
    in_order(declared, reader)
}

fn check_name(
    name: &str,
    place: &Place,
    tasks: &BTreeSet<String>,
    variables: &mut BTreeMap<String, String>,
    reader: &mut Reader,
) {
    check_reserved(name, place, reader);
    let variable = variable(name);
    let own = variables.insert(variable.clone(), name.to_owned());
    let roles = OF_TRIALS.into_iter().chain([role::MODEL, role::UNIFORM]).chain(role::DATA);
    let wrong = if tasks.contains(name) {
        format!("`{name}` is a task already, and rows of the tables are named after both")
    } else if roles.into_iter().any(|role| tacq_protocol::command::variable(role) == variable) {
        format!("`{name}` cannot be a name: `needs` and ${variable} have a meaning of their own for it")
    } else if is_set(&variable) || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        format!("`{name}` cannot be a name: others could not be told its folder in ${variable}")
    } else if let Some(other) = own {
        format!("`{name}` and `{other}` would both be told in ${variable}")
    } else {
        return;
    };
    reader.report_with(place, wrong, Some("choose another name".to_owned()));
}

fn is_set(variable: &str) -> bool {
    OWN_VARIABLES.contains(&variable) || PASSED_VARIABLES.contains(&variable)
}

fn stage(
    name: &str,
    place: &Place,
    raw: Stage,
    names: &[String],
    reader: &mut Reader,
) -> Option<CommandStage> {
    let each = raw.each.given().unwrap_or_default();
    let needs = match raw.needs {
        Field::Given(list) => needs(name, list, each, names, reader)?,
        Field::Absent if each == Each::Trial => vec![Need::Weights],
        Field::Absent => vec![Need::Role(role::MODEL)],
        Field::Invalid => return None,
    };
    let files = files(raw.files, reader);
    let env = environment(raw.env, &needs, reader);
    let pass = raw.pass.given().map(|list| reader.distinct(list)).unwrap_or_default();
    for Spanned { value, place } in &pass {
        if is_set(&value.0) || env.contains_key(&value.0) {
            reader.report(place, format!("{} is set already", value.0));
        }
    }
    let mut pass: Vec<String> = pass.into_iter().map(|name| name.value.0).collect();
    pass.sort();
    let (outputs, metrics) = outputs(name, place, raw.outputs, raw.metrics, each, reader)?;
    Some(CommandStage {
        name: name.to_owned(),
        each,
        command: raw.command.given()?.value.0,
        needs,
        files,
        env,
        pass,
        image: raw.image.given().map(|text| text.0),
        outputs,
        metrics,
        position: place.position,
    })
}

fn needs(
    name: &str,
    list: List<Name>,
    each: Each,
    names: &[String],
    reader: &mut Reader,
) -> Option<Vec<Need>> {
    let mut needs = Vec::new();
    let mut is_right = true;
    for Spanned { value: Name(need), place } in reader.distinct(list) {
        if let Some(role) = OF_TRIALS.into_iter().find(|role| *role == need) {
            if each == Each::Model {
                let message = format!("`{need}` is of a trial, but this stage runs once for each model");
                reader.report_with(&place, message, Some("write `each: trial`".to_owned()));
                is_right = false;
            }
            needs.push(if role == WEIGHTS { Need::Weights } else { Need::Role(role) });
        } else if need == role::MODEL {
            needs.push(Need::Role(role::MODEL));
        } else if need == name {
            reader.report(&place, "a stage cannot need itself");
            is_right = false;
        } else if names.contains(&need) {
            needs.push(Need::Stage(need));
        } else {
            let known = || [role::MODEL].into_iter().chain(OF_TRIALS).chain(names.iter().map(String::as_str));
            let others = known().filter(|known| *known != name).collect::<Vec<_>>().join(", ");
            let hint = suggest(&need, known()).map(|near| format!("did you mean `{near}`?"));
            reader.report_with(
                &place,
                format!("`{need}` is nothing that a stage can need; known: {others}"),
                hint,
            );
            is_right = false;
        }
    }
    is_right.then_some(needs)
}

/// Files by the names under which the command finds them.
fn files(raw: Field<List<FilePath>>, reader: &mut Reader) -> Vec<(String, PathBuf)> {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for Spanned { value: FilePath(text), place } in
        raw.given().map(|list| reader.distinct(list)).unwrap_or_default()
    {
        let path = PathBuf::from(&text);
        let last = || path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(name) = inner_path(&text).or_else(last) else {
            reader.report(&place, format!("`{text}` has no name of its own"));
            continue;
        };
        match files.iter().find(|(other, _)| overlap(other, &name)) {
            Some((other, _)) => {
                let message =
                    format!("`{text}` would lie in the working directory as {name}, beside {other}");
                reader.report(&place, message);
            }
            None => files.push((name, path)),
        }
    }
    files
}

/// Whether two paths are the same, or one lies in the other.
fn overlap(a: &str, b: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    inside(a, b) || inside(b, a)
}

fn environment(raw: Field<Variables>, needs: &[Need], reader: &mut Reader) -> BTreeMap<String, String> {
    let told: BTreeSet<String> = needs.iter().map(|need| variable(need.name())).collect();
    let mut env = BTreeMap::new();
    for (Spanned { value: name, place }, value) in raw.given().map(|raw| raw.0).unwrap_or_default() {
        if OWN_VARIABLES.contains(&name.0.as_str()) || told.contains(&name.0) {
            reader.report(&place, format!("{} is set by the program", name.0));
        }
        env.insert(name.0, value);
    }
    env
}

/// What is kept, and which of it holds numbers for the tables; reports a command that leaves nothing.
fn outputs(
    name: &str,
    place: &Place,
    outputs: Field<List<super::raw::OutputPath>>,
    metrics: Field<Spanned<super::raw::OutputPath>>,
    each: Each,
    reader: &mut Reader,
) -> Option<(Vec<String>, Option<String>)> {
    if let (Field::Absent, Field::Absent) = (&outputs, &metrics) {
        let hint = "name what it writes into $OUTPUT: `outputs: [FILE]` or `metrics: FILE`".to_owned();
        reader.report_with(place, format!("stage `{name}` leaves nothing"), Some(hint));
        return None;
    }
    let metrics = metrics.given();
    if let (Some(metrics), Each::Model) = (&metrics, each) {
        let message = "metrics become rows of trials, but this stage runs once for each model";
        reader.report_with(&metrics.place, message, Some("write `each: trial`, or `outputs`".to_owned()));
        return None;
    }
    let metrics = metrics.map(|metrics| metrics.value.0);
    let mut kept: Vec<String> = Vec::new();
    let listed = outputs.given().map(|list| reader.distinct(list)).unwrap_or_default();
    for Spanned { value, place } in listed {
        let path = value.0;
        if let Some(other) = kept.iter().find(|other| overlap(other, &path)) {
            reader.report(&place, format!("`{path}` and `{other}` lie in one another"));
        } else if overlap(&path, file::MANIFEST) {
            let message = format!("{} is where the program describes what is kept", file::MANIFEST);
            reader.report_with(&place, message, Some("write another file".to_owned()));
        } else if overlap(&path, file::METRICS) && metrics.as_deref() != Some(file::METRICS) {
            let message = format!("{} is where the program keeps the metrics of a stage", file::METRICS);
            reader.report_with(&place, message, Some(format!("write `metrics: {}`", file::METRICS)));
        } else {
            kept.push(path);
        }
    }
    kept.sort();
    Some((kept, metrics))
}

/// Reports stages of models that need stages of trials.
fn check_levels(stages: &[(CommandStage, Place)], reader: &mut Reader) {
    for (stage, place) in stages.iter().filter(|(stage, _)| stage.each == Each::Model) {
        for need in &stage.needs {
            let needed =
                stages.iter().find(|(other, _)| matches!(need, Need::Stage(name) if *name == other.name));
            if let Some((needed, _)) = needed.filter(|(needed, _)| needed.each == Each::Trial) {
                let message =
                    format!("this stage runs once for each model, but needs `{}` of each trial", needed.name);
                reader.report_with(place, message, Some("write `each: trial`".to_owned()));
            }
        }
    }
}

/// Each stage after those that it needs; reports those that need each other.
fn in_order(mut stages: Vec<(CommandStage, Place)>, reader: &mut Reader) -> Vec<CommandStage> {
    let mut ordered: Vec<CommandStage> = Vec::new();
    while !stages.is_empty() {
        let open: BTreeSet<String> = stages.iter().map(|(stage, _)| stage.name.clone()).collect();
        let is_free = |(stage, _): &(CommandStage, Place)| {
            !stage.needs.iter().any(|need| matches!(need, Need::Stage(name) if open.contains(name)))
        };
        let (free, rest): (Vec<_>, Vec<_>) = stages.into_iter().partition(is_free);
        if free.is_empty() {
            let names = open.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let (_, place) = &rest[0];
            reader.report(place, format!("these stages need each other, so that none can begin: {names}"));
            return ordered;
        }
        ordered.extend(free.into_iter().map(|(stage, _)| stage));
        stages = rest;
    }
    ordered
}
