//! `show --wrong` and its like: the examples behind a score.

mod prompt;
mod text;

use super::Opened;
use crate::cli::args::{ExampleArgs, Format};
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::cli::select;
use crate::plan::StageId;
use crate::report::records::{self, RecordsError};
use crate::store::StoreError;
use serde::Serialize;
use std::path::PathBuf;
use tacq_protocol::StageKind;
use tacq_protocol::artifact::Record;

/// Examples shown where no number is given.
const LIMIT: usize = 10;

/// Why examples cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ExamplesError {
    /// The target names no evaluation of the task.
    #[error("`{target}` names no evaluation of {}; {}", .task.as_deref().unwrap_or("a task"), their_tasks(.known))]
    NoEvaluation {
        /// What was typed.
        target: String,
        /// The task that was asked for.
        task: Option<String>,
        /// Tasks of what the target names.
        known: Vec<String>,
    },
    /// Several trials where one is compared with.
    #[error("--against `{pattern}` names several trials: {}; name one of them", .trials.join(", "))]
    Ambiguous {
        /// What was typed.
        pattern: String,
        /// What it names.
        trials: Vec<String>,
    },
    /// Two trials that did not answer the same.
    #[error("{trial} and {against} answered other examples of {task}: they cannot be compared")]
    OtherExamples {
        /// The target.
        trial: String,
        /// What it is compared with.
        against: String,
        /// The task.
        task: String,
    },
    /// Nothing is computed yet.
    #[error("{trial} is not evaluated on {task} yet; run: tacq-sweep run {}", file.display())]
    Missing {
        /// The trial.
        trial: String,
        /// The task.
        task: String,
        /// The experiment file.
        file: PathBuf,
    },
    /// An artifact from before there were records.
    #[error(
        "the evaluation of {trial} on {task} has no records of its examples: an older engine made it; \
         remove {} and run again to have them", dir.display()
    )]
    NoRecords {
        /// The trial.
        trial: String,
        /// The task.
        task: String,
        /// The artifact.
        dir: PathBuf,
    },
    /// Records that cannot be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn their_tasks(tasks: &[String]) -> String {
    if tasks.is_empty() {
        "it names stages that evaluate nothing: name a trial".to_owned()
    } else {
        format!("its tasks: {}", tasks.join(", "))
    }
}

/// A trial's evaluation on a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Evaluation<'a> {
    trial: &'a str,
    task: &'a str,
    stage: StageId,
}

/// An example, with the answer of another trial where one is compared with.
#[derive(Debug, Clone, PartialEq)]
struct Example {
    record: Record,
    other: Option<Record>,
}

/// Shows the examples of the evaluations that the target names.
pub(super) fn show(
    opened: &Opened,
    target: &str,
    args: &ExampleArgs,
    format: Format,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let evaluations = evaluations(opened, "target", target, args.task.as_deref())?;
    for (place, evaluation) in evaluations.iter().enumerate() {
        let against = against(opened, evaluation, args)?;
        let all = load(opened, *evaluation)?;
        let shared = prompt::shared(&opened.plan.stages[evaluation.stage].params, &all);
        let n_all = all.len();
        let has_right = all.iter().any(|record| record.correct.is_some());
        if !has_right && (args.wrong || args.right) {
            output.news(format!("{} has no right and wrong: worst first", evaluation.task));
        }
        let n_right = all.iter().filter(|record| record.correct == Some(true)).count();
        let mut examples = pair(opened, all, evaluation, against)?;
        examples.retain(|example| matches(example, args));
        if !has_right {
            worst_first(&mut examples);
        }
        let n_matching = examples.len();
        let limit = args.limit.unwrap_or(LIMIT);
        examples.truncate(if limit == 0 { n_matching } else { limit });
        match format {
            Format::Json => json(opened, evaluation, against.as_ref(), &examples, output),
            Format::Table => {
                let head = text::Head {
                    trial: evaluation.trial,
                    task: evaluation.task,
                    against: against.map(|a| a.trial),
                    n_right: has_right.then_some(n_right),
                    n_all,
                    n_matching,
                    n_shown: examples.len(),
                };
                let layout = text::Layout {
                    width: output.width(),
                    color: output.data_color(),
                    full: args.full,
                    shared: &shared,
                    choices: prompt::choices(&opened.plan.stages[evaluation.stage].params),
                };
                let gap = if place > 0 { "\n" } else { "" };
                output.data(format!("{gap}{}", layout.page(&head, &examples)));
            }
        }
    }
    Ok(ExitCode::Done)
}

/// The evaluations that a pattern names, of one task or of all; at least one.
fn evaluations<'a>(
    opened: &'a Opened,
    what: &'static str,
    target: &str,
    task: Option<&str>,
) -> Result<Vec<Evaluation<'a>>, CliError> {
    let stages = select::stages(&opened.plan, what, target, &opened.file)?;
    let mut found: Vec<Evaluation<'a>> = Vec::new();
    for planned in &opened.plan.trials {
        let trial = planned.trial.label();
        let has_examples = |stage: &StageId| opened.plan.stages[*stage].kind() == StageKind::Evaluate;
        let named =
            planned.evaluations.iter().filter(|(_, stage)| stages.contains(stage) && has_examples(stage));
        for (task, stage) in named {
            let evaluation = Evaluation { trial, task, stage: *stage };
            match found.iter_mut().find(|known| known.stage == *stage && known.task == *task) {
                // Trials may share an evaluation: the one that was named is shown.
                Some(known) if select::matches(target, trial) => *known = evaluation,
                Some(_) => {}
                None => found.push(evaluation),
            }
        }
    }
    let mut known: Vec<String> = found.iter().map(|evaluation| evaluation.task.to_owned()).collect();
    known.sort();
    known.dedup();
    found.retain(|evaluation| task.is_none_or(|task| evaluation.task == task));
    if found.is_empty() {
        let (target, task) = (target.to_owned(), task.map(str::to_owned));
        return Err(ExamplesError::NoEvaluation { target, task, known }.into());
    }
    Ok(found)
}

/// The evaluation on the same task that `--against` names.
fn against<'a>(
    opened: &'a Opened,
    evaluation: &Evaluation<'_>,
    args: &ExampleArgs,
) -> Result<Option<Evaluation<'a>>, CliError> {
    let Some(pattern) = &args.against else { return Ok(None) };
    match evaluations(opened, "--against", pattern, Some(evaluation.task))?.as_slice() {
        [one] => Ok(Some(*one)),
        several => {
            let trials = several.iter().map(|one| one.trial.to_owned()).collect();
            Err(ExamplesError::Ambiguous { pattern: pattern.clone(), trials }.into())
        }
    }
}

/// All records of an evaluation, in order.
fn load(opened: &Opened, evaluation: Evaluation<'_>) -> Result<Vec<Record>, ExamplesError> {
    let (trial, task) = (evaluation.trial.to_owned(), evaluation.task.to_owned());
    let stage = &opened.plan.stages[evaluation.stage];
    let artifact = match stage.key() {
        Some(key) => opened.store.get(stage.kind(), key)?.map(|artifact| (key, artifact)),
        None => None,
    };
    let Some((key, artifact)) = artifact else {
        return Err(ExamplesError::Missing { trial, task, file: opened.file.clone() });
    };
    records::records(&records::path(&opened.store, key))?.ok_or(ExamplesError::NoRecords {
        trial,
        task,
        dir: artifact.dir,
    })
}

/// Joins each example with the other trial's answer.
fn pair(
    opened: &Opened,
    all: Vec<Record>,
    evaluation: &Evaluation<'_>,
    against: Option<Evaluation<'_>>,
) -> Result<Vec<Example>, ExamplesError> {
    let Some(against) = against else {
        return Ok(all.into_iter().map(|record| Example { record, other: None }).collect());
    };
    let others = load(opened, against)?;
    let same = |(a, b): (&Record, &Record)| a.id == b.id && a.prompt_hash == b.prompt_hash;
    if all.len() != others.len() || !all.iter().zip(&others).all(same) {
        return Err(ExamplesError::OtherExamples {
            trial: evaluation.trial.to_owned(),
            against: against.trial.to_owned(),
            task: evaluation.task.to_owned(),
        });
    }
    let join = |(record, other)| Example { record, other: Some(other) };
    Ok(all.into_iter().zip(others).map(join).collect())
}

/// Whether an example is one of those asked for. What is neither right nor wrong is both.
fn matches(Example { record, other }: &Example, args: &ExampleArgs) -> bool {
    let is_asked = match record.correct {
        Some(is_right) => !(args.wrong && is_right || args.right && !is_right),
        None => true,
    };
    let differs = other.as_ref().is_none_or(|o| o.correct.is_none() || o.correct != record.correct);
    is_asked && differs && args.group.as_ref().is_none_or(|group| *group == record.group)
}

/// Windows of a text by their loss, or by how much more of it they have than the other trial's.
fn worst_first(examples: &mut [Example]) {
    let loss = |e: &Example| e.record.value - e.other.as_ref().map_or(0.0, |other| other.value);
    examples.sort_by(|a, b| loss(b).total_cmp(&loss(a)));
}

/// One line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    trial: &'a str,
    task: &'a str,
    stage_key: String,
    #[serde(flatten)]
    record: &'a Record,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Answer<'a>>,
}

/// The other trial's answer in a line of JSON.
#[derive(Serialize)]
struct Answer<'a> {
    trial: &'a str,
    #[serde(flatten)]
    record: &'a Record,
}

fn json(
    opened: &Opened,
    evaluation: &Evaluation<'_>,
    against: Option<&Evaluation<'_>>,
    examples: &[Example],
    output: &Output,
) {
    let key = opened.plan.stages[evaluation.stage].key();
    for Example { record, other } in examples {
        let line = Line {
            trial: evaluation.trial,
            task: evaluation.task,
            stage_key: key.map(ToString::to_string).unwrap_or_default(),
            record,
            against: against.zip(other.as_ref()).map(|(a, record)| Answer { trial: a.trial, record }),
        };
        output.data(serde_json::to_string(&line).expect("plain data"));
    }
}
