//! Prompts of MMLU, as its authors' evaluation code and the paper's write them, byte for byte.

use super::{Example, ExampleSet, Inputs, Purpose, enough, subjects};
use crate::TaskError;
use crate::source::mmlu::{N_CHOICES, Question, read};
use tacq_protocol::task::MmluSplit;

/// Continuations of the prompt that are compared; a letter is one token with its space.
const LETTERS: [&str; N_CHOICES] = [" A", " B", " C", " D"];

/// What pandas' `read_csv` takes for a missing value. The reference reads the questions with it and then writes such a
/// choice as `nan`: ten choices of the published test files are the word `None`. (It also reads columns of numbers as
/// numbers, but in the published files none of them would then be written in another way.)
const MISSING: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// Examples of the subjects in `split`, in order of their names.
///
/// Each subject's first int(0.75 · n) test questions are for calibration, the others for evaluation. A prompt has the
/// first `few_shot` dev questions of the same subject with their letters.
pub fn load(
    split: MmluSplit,
    few_shot: u32,
    purpose: Purpose,
    inputs: &Inputs<'_>,
) -> Result<ExampleSet, TaskError> {
    let mut test = read(inputs.dataset)?;
    let dev = read(inputs.few_shot)?;
    if let Some(wanted) = subjects::of(split) {
        let absent: Vec<&str> = wanted.iter().copied().filter(|s| !test.contains_key(*s)).collect();
        if !absent.is_empty() {
            return Err(TaskError::MissingSubjects { subjects: absent.join(", ") });
        }
        test.retain(|subject, _| wanted.contains(&subject.as_str()));
    }
    let mut examples = Vec::new();
    for (subject, questions) in test {
        let solved = dev.get(&subject).map_or(&[][..], Vec::as_slice);
        enough(solved.len(), few_shot, &format!("MMLU's subject {subject}"), inputs.few_shot)?;
        let prefix = prefix(&subject, &solved[..few_shot as usize]);
        // floor(0.75 · n), which is what Python's int() makes of it.
        let cut = questions.len() * 3 / 4;
        let range = match purpose {
            Purpose::Calibration => 0..cut,
            Purpose::Evaluation => cut..questions.len(),
        };
        examples.extend(range.map(|row| example(&subject, row, &questions[row], &prefix)));
    }
    Ok(ExampleSet { examples, add_special_tokens: true })
}

fn example(subject: &str, row: usize, question: &Question, prefix: &str) -> Example {
    let letter = LETTERS[question.answer];
    Example {
        id: format!("{subject}/{row}"),
        group: subject.to_owned(),
        prompt: format!("{prefix}{}", asked(question)),
        completion: letter.to_owned(),
        gold: letter.trim().to_owned(),
        choices: LETTERS.map(str::to_owned).to_vec(),
    }
}

/// What all questions of a subject begin with. The subject's words follow two spaces, as in the original.
fn prefix(subject: &str, solved: &[Question]) -> String {
    let words: String = subject.split('_').map(|word| format!(" {word}")).collect();
    let shots: String = solved.iter().map(|q| format!("{}{}\n\n", asked(q), LETTERS[q.answer])).collect();
    format!("The following are multiple choice questions (with answers) about {words}.\n\n{shots}")
}

fn asked(question: &Question) -> String {
    let choice = |(letter, text): (&str, &String)| {
        let text = if MISSING.contains(&text.as_str()) { "nan" } else { text };
        format!("\n{}. {text}", letter.trim())
    };
    let choices: String = LETTERS.into_iter().zip(&question.choices).map(choice).collect();
    format!("{}{choices}\nAnswer:", question.question)
}
