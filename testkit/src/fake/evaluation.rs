//! Metrics and records of an evaluation that never took place: which examples are asked depends on the task and its
//! data alone, as it must for methods to be compared; how they are answered depends on the whole request.

use crate::random::Random;
use std::collections::BTreeMap;
use tacq_protocol::artifact::{Metrics, Record, metric};
use tacq_protocol::stats::mean_interval;
use tacq_protocol::task::{ExampleParams, TaskParams};

/// Windows or questions where the task sets no limit.
const EXAMPLES: u64 = 40;

const CHOICES: [&str; 4] = ["A", "B", "C", "D"];

/// What an evaluation of these answers would leave behind.
pub fn evaluate(task: &TaskParams, asked: u64, answered: u64) -> (Metrics, Vec<Record>) {
    let (mut asked, mut answered) = (Random::new(asked), Random::new(answered));
    let (name, records): (_, Vec<Record>) = match task {
        TaskParams::Perplexity { n_windows, .. } => {
            let n = n_windows.map_or(4, |n| u64::from(n.get()));
            (metric::PERPLEXITY, (0..n).map(|i| window(i, &mut asked, &mut answered)).collect())
        }
        TaskParams::MultipleChoice { limit, .. } => {
            let n = limit.map_or(EXAMPLES, |n| u64::from(n.get()));
            (metric::ACCURACY, (0..n).map(|i| choice(i, &mut asked, &mut answered)).collect())
        }
        TaskParams::Generate { limit, examples, .. } => {
            let n = limit.map_or(EXAMPLES, |n| u64::from(n.get()));
            let is_sql = matches!(examples, ExampleParams::Spider);
            let name = if is_sql { metric::EXECUTION_ACCURACY } else { metric::EXACT_MATCH };
            (name, (0..n).map(|i| text(i, &mut asked, &mut answered)).collect())
        }
    };
    let values: Vec<f64> = records.iter().map(|record| record.value).collect();
    let statistic = |mean: f64| if name == metric::PERPLEXITY { mean.exp() } else { mean };
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let interval = mean_interval(&values).map(|ends| (name.to_owned(), ends.map(statistic)));
    let metrics = Metrics {
        metrics: BTreeMap::from([(name.to_owned(), statistic(mean))]),
        n_examples: records.len() as u64,
        intervals: interval.into_iter().collect(),
    };
    (metrics, records)
}

/// A number from 0 to 1.
fn share(random: &mut Random) -> f64 {
    (random.bits() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Some windows are hard for every model; what a model adds is little.
fn window(index: u64, asked: &mut Random, answered: &mut Random) -> Record {
    Record {
        index,
        id: index.to_string(),
        prompt_hash: format!("{:016x}", asked.bits()),
        value: 2.0 + 2.0 * share(asked) + 0.5 * share(answered),
        n_tokens: 31,
        ..Record::default()
    }
}

/// Questions of two subjects, six of ten answered right.
fn choice(index: u64, asked: &mut Random, answered: &mut Random) -> Record {
    let group = if index.is_multiple_of(2) { "algebra" } else { "law" };
    let gold = asked.below(CHOICES.len());
    let chosen = if share(answered) < 0.6 { gold } else { (gold + 1 + answered.below(3)) % CHOICES.len() };
    let logprob = |i: usize| if i == chosen { -0.25 } else { -1.5 - i as f64 };
    let shots: String =
        (0..3).map(|i| format!("Solved question {i} about {group}?\nAnswer: A\n\n")).collect();
    Record {
        index,
        id: format!("{group}/{}", index / 2),
        group: group.to_owned(),
        prompt_hash: format!("{:016x}", asked.bits()),
        prompt: format!("{shots}Question {index} about {group}?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"),
        prediction: CHOICES[chosen].to_owned(),
        gold: CHOICES[gold].to_owned(),
        correct: Some(chosen == gold),
        value: f64::from(u8::from(chosen == gold)),
        logprobs: (0..CHOICES.len()).map(logprob).collect(),
        ..Record::default()
    }
}

/// Generated answers, half of them right, some without an answer.
fn text(index: u64, asked: &mut Random, answered: &mut Random) -> Record {
    let gold = asked.below(100);
    let (prediction, note) = match answered.below(4) {
        0 | 1 => (gold.to_string(), ""),
        2 => ((gold + 1).to_string(), ""),
        _ => (String::new(), "no answer found"),
    };
    let is_right = prediction == gold.to_string();
    Record {
        index,
        id: index.to_string(),
        prompt_hash: format!("{:016x}", asked.bits()),
        prompt: format!("Q: One and one?\nA: The answer is 2.\n\nQ: What is {gold}?\nA:"),
        output: if note.is_empty() {
            format!(" The answer is {prediction}.")
        } else {
            " Well …".to_owned()
        },
        prediction,
        gold: gold.to_string(),
        correct: Some(is_right),
        value: f64::from(u8::from(is_right)),
        n_tokens: 6,
        note: note.to_owned(),
        ..Record::default()
    }
}
