//! GSM8K's problems (arXiv 2110.14168) and the chain-of-thought exemplars (arXiv 2201.11903) that go with them.

use super::record::{Record, records};
use crate::TaskError;
use regex::Regex;
use serde::Deserialize;
use std::path::Path;
use std::sync::LazyLock;
use tacq_protocol::DataFile;

/// A problem with its solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The problem's text.
    pub question: String,
    /// The solution as published; its last line is `#### number`.
    pub answer: String,
    /// The number.
    pub number: String,
}

/// Reads problems from JSON lines or tables with `question` and `answer`.
pub fn read(files: &[DataFile]) -> Result<Vec<Problem>, TaskError> {
    let mut problems = Vec::new();
    for file in files {
        for record in records(std::slice::from_ref(file))? {
            problems.push(problem(&record, &file.path)?);
        }
    }
    Ok(problems)
}

fn problem(record: &Record, path: &Path) -> Result<Problem, TaskError> {
    let answer = record.text(path, "answer")?.to_owned();
    let number = gold_number(&answer).ok_or_else(|| {
        TaskError::malformed(path, format!("{}: no `#### number` in field `answer`", record.place))
    })?;
    Ok(Problem { question: record.text(path, "question")?.to_owned(), answer, number })
}

/// The number of a published solution, commas dropped: `#### 1,004` → `1004`.
fn gold_number(answer: &str) -> Option<String> {
    static MARKED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"#### (-?[0-9.,]+)").expect("the pattern is a regular expression"));
    Some(MARKED.captures(answer)?[1].replace(',', ""))
}

/// A solved problem that prompts begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemplar {
    /// The problem's text.
    pub question: String,
    /// Reasoning and `The answer is N.`
    pub solution: String,
}

/// A solution in words, with the sentence that states its number.
pub fn solved(reasoning: &str, number: &str) -> String {
    format!("{reasoning} The answer is {number}.")
}

/// The part of lm-evaluation-harness's task file that holds exemplars.
#[derive(Deserialize)]
struct HarnessTask {
    fewshot_config: HarnessFewShot,
}

#[derive(Deserialize)]
struct HarnessFewShot {
    samples: Vec<HarnessSample>,
}

#[derive(Deserialize)]
struct HarnessSample {
    question: String,
    target: String,
}

/// Reads exemplars in file order. Layouts: JSON lines or tables with `question`, `chain` and `answer` (the number), or
/// in GSM8K's own layout; lm-evaluation-harness's `gsm8k-cot.yaml` (`fewshot_config.samples`, each with `question` and
/// `target`).
pub fn read_exemplars(files: &[DataFile]) -> Result<Vec<Exemplar>, TaskError> {
    let mut exemplars = Vec::new();
    for file in files {
        if file.name.ends_with(".yaml") || file.name.ends_with(".yml") {
            let task: HarnessTask = serde_yaml::from_str(&super::read_text(&file.path)?)
                .map_err(|e| TaskError::malformed(&file.path, format!("no exemplars in this YAML: {e}")))?;
            let samples = task.fewshot_config.samples.into_iter();
            exemplars.extend(samples.map(|s| Exemplar { question: s.question, solution: s.target }));
        } else {
            for record in records(std::slice::from_ref(file))? {
                exemplars.push(exemplar(&record, &file.path)?);
            }
        }
    }
    Ok(exemplars)
}

fn exemplar(record: &Record, path: &Path) -> Result<Exemplar, TaskError> {
    if record.fields.contains_key("chain") {
        let solution = solved(record.text(path, "chain")?, record.text(path, "answer")?);
        return Ok(Exemplar { question: record.text(path, "question")?.to_owned(), solution });
    }
    let problem = problem(record, path)?;
    Ok(Exemplar { solution: solved(&problem.answer, &problem.number), question: problem.question })
}

#[cfg(test)]
mod tests {
    use super::super::table::testing::{Column, write};
    use super::*;

    fn file(folder: &Path, name: &str, text: &str) -> [DataFile; 1] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        [DataFile { name: name.to_owned(), path }]
    }

    #[test]
    fn lines_and_tables_give_the_same_problems() {
        let folder = tempfile::tempdir().unwrap();
        let lines = r#"{"question": "How many?", "answer": "2+2=4\n#### 1,004"}"#;
        let from_lines = read(&file(folder.path(), "test.jsonl", lines)).unwrap();
        let path = folder.path().join("test.parquet");
        let columns =
            [("question", Column::Texts(&["How many?"])), ("answer", Column::Texts(&["2+2=4\n#### 1,004"]))];
        write(&path, &columns, false);
        assert_eq!(read(&[DataFile { name: "test.parquet".into(), path }]).unwrap(), from_lines);
        assert_eq!(from_lines[0].number, "1004");
    }

    #[test]
    fn a_problem_without_its_number_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let lines = r#"{"question": "How many?", "answer": "four"}"#;
        let error = read(&file(folder.path(), "test.jsonl", lines)).unwrap_err().to_string();
        assert!(error.ends_with("test.jsonl: line 1: no `#### number` in field `answer`"), "{error}");
    }

    #[test]
    fn exemplars_are_read_in_all_their_layouts() {
        let folder = tempfile::tempdir().unwrap();
        let expected = Exemplar { question: "Q?".into(), solution: "It is 2 + 2. The answer is 4.".into() };
        let lines = r#"{"question": "Q?", "chain": "It is 2 + 2.", "answer": "4"}"#;
        let own = read_exemplars(&file(folder.path(), "few.jsonl", lines)).unwrap();
        assert_eq!(own.as_slice(), std::slice::from_ref(&expected));
        let yaml = "task: t\nfilter_list: !function utils.f\nfewshot_config:\n  sampler: first_n\n  samples:\n  \
                    - question: Q?\n    target: It is 2 + 2.\n      The answer is 4.\n";
        assert_eq!(read_exemplars(&file(folder.path(), "cot.yaml", yaml)).unwrap(), [expected]);
        let published = r#"{"question": "Q?", "answer": "2+2=<<2+2=4>>4\n#### 4"}"#;
        let published = read_exemplars(&file(folder.path(), "train.jsonl", published)).unwrap();
        assert_eq!(published[0].solution, "2+2=<<2+2=4>>4\n#### 4 The answer is 4.");
    }

    #[test]
    fn a_yaml_without_exemplars_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_exemplars(&file(folder.path(), "t.yaml", "task: t\n")).unwrap_err().to_string();
        assert!(
            error.contains("t.yaml: no exemplars in this YAML: missing field `fewshot_config`"),
            "{error}"
        );
    }
}
