//! The data sets: what is in them, and the files in the published layouts.

use crate::heldout::{Finder, HeldOut, normalized};
use crate::mmlu::{self, N_DEV, Question, Subject};
use crate::problems::{Problem, problem};
use crate::prose::story;
use crate::spider::{self, Database};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::Path;
use tacq_testkit::random::Random;

/// From this all data follows.
pub const SEED: u64 = 2504_07389;

/// Word problems for calibration and for the test, and exemplars.
pub const N_PROBLEMS: [usize; 3] = [1200, 200, 8];
/// Queries for calibration and for the test, before those that stand within others are left out.
pub const N_QUERIES: [usize; 2] = [480, 160];
/// Questions of each database among which test questions are looked for as parts. There are some 8000 different ones.
const N_LOOKED_AT: usize = 40_000;
/// Bytes of prose for calibration and for the test, at least.
pub const N_BYTES: [usize; 2] = [320 << 10, 64 << 10];

/// Four data sets, and what they are drawn from.
#[derive(Debug)]
pub struct Data {
    /// Subjects of the multiple-choice questions.
    pub subjects: Vec<Subject>,
    /// Databases of the queries.
    pub databases: Vec<Database>,
    /// Every question and story that is tested.
    pub held_out: HeldOut,
    /// Solved and test questions of each subject.
    pub questions: Vec<(Vec<Question>, Vec<Question>)>,
    /// Word problems: train, test, exemplars.
    pub problems: [Vec<Problem>; 3],
    /// Queries: train, dev.
    pub queries: [Vec<spider::Question>; 2],
    /// Stories: train, test.
    pub stories: [Vec<String>; 2],
}

impl Data {
    /// All of it; the same on every machine.
    pub fn new() -> Self {
        let mut random = Random::new(SEED);
        let mut held_out = HeldOut::default();
        let subjects = mmlu::subjects();
        let tests: Vec<Vec<Question>> = subjects.iter().map(|subject| subject.test(random.bits())).collect();
        for question in tests.iter().flatten() {
            held_out.insert(&question.question);
        }
        let mut questions = Vec::new();
        for (subject, test) in subjects.iter().zip(tests) {
            let draw = |random: &mut Random| subject.question(random);
            let dev =
                unseen(&mut random, &mut held_out.clone(), N_DEV, draw, |question| question.question.clone());
            questions.push((dev, test));
        }

        let text = |problem: &Problem| problem.question.clone();
        let [n_train, n_test, n_exemplars] = N_PROBLEMS;
        let test = unseen(&mut random, &mut held_out, n_test, problem, text);
        let mut taken = held_out.clone();
        let train = unseen(&mut random, &mut taken, n_train, problem, text);
        let exemplars = unseen(&mut random, &mut taken, n_exemplars, problem, text);
        let problems = [train, test, exemplars];

        let databases = spider::databases();
        let text = |question: &spider::Question| question.question.clone();
        // One database after the other, so that each is asked about as often.
        let mut turn = 0;
        let mut draw = |random: &mut Random| {
            turn += 1;
            spider::question(random, &databases[turn % databases.len()])
        };
        let [n_train, n_dev] = N_QUERIES;
        let dev = unseen(&mut random, &mut held_out, n_dev, &mut draw, text);
        let train = unseen(&mut random, &mut held_out.clone(), n_train, &mut draw, text);
        let queries = [train, not_within_others(dev, &databases)];

        let [n_train, n_test] = N_BYTES;
        let test = stories(&mut random, &mut held_out, n_test);
        let train = stories(&mut random, &mut held_out.clone(), n_train);
        let stories = [train, test];
        Self { subjects, databases, held_out, questions, problems, queries, stories }
    }

    /// Writes the folders `mmlu`, `gsm8k`, `spider` and `text`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        for split in ["dev", "test"] {
            fs::create_dir_all(folder.join("mmlu").join(split))?;
        }
        for (subject, (dev, test)) in self.subjects.iter().zip(&self.questions) {
            for (split, questions) in [("dev", dev), ("test", test)] {
                let name = format!("mmlu/{split}/{}_{split}.csv", subject.name);
                let mut csv = csv::Writer::from_path(folder.join(name))?;
                for question in questions {
                    let [a, b, c, d] = &question.choices;
                    csv.write_record([&question.question, a, b, c, d, &question.letter().to_string()])?;
                }
                csv.flush()?;
            }
        }

        fs::create_dir_all(folder.join("gsm8k"))?;
        let [train, test, exemplars] = &self.problems;
        let published =
            |problem: &Problem| json!({ "question": problem.question, "answer": problem.published() });
        let solved = |problem: &Problem| {
            let (chain, answer) = (problem.chain(), problem.answer.to_string());
            json!({ "question": problem.question, "chain": chain, "answer": answer })
        };
        fs::write(folder.join("gsm8k/train.jsonl"), lines(train.iter().map(published)))?;
        fs::write(folder.join("gsm8k/test.jsonl"), lines(test.iter().map(published)))?;
        fs::write(folder.join("gsm8k/few_shot_cot.jsonl"), lines(exemplars.iter().map(solved)))?;

        let [train, dev] = &self.queries;
        let files = [
            ("train_spider.json", spider::questions_json(train)),
            ("dev.json", spider::questions_json(dev)),
            ("tables.json", spider::schemas(&self.databases)),
        ];
        for database in &self.databases {
            let of_database = folder.join("spider/database").join(database.id);
            fs::create_dir_all(&of_database)?;
            let path = of_database.join(format!("{}.sqlite", database.id));
            // SQLite would add to a file that is there.
            if path.exists() {
                fs::remove_file(&path)?;
            }
            database.write(&path)?;
        }
        for (name, value) in files {
            fs::write(folder.join("spider").join(name), serde_json::to_string_pretty(&value)? + "\n")?;
        }

        fs::create_dir_all(folder.join("text"))?;
        for (name, stories) in ["train", "test"].iter().zip(&self.stories) {
            fs::write(folder.join(format!("text/{name}.txt")), stories.join("\n\n") + "\n")?;
        }
        Ok(())
    }
}

impl Default for Data {
    fn default() -> Self {
        Self::new()
    }
}

/// Draws until there are `n` whose texts were never taken before.
fn unseen<T, S: AsRef<str>>(
    random: &mut Random,
    taken: &mut HeldOut,
    n: usize,
    mut draw: impl FnMut(&mut Random) -> T,
    text: impl Fn(&T) -> S,
) -> Vec<T> {
    let mut found = Vec::with_capacity(n);
    while found.len() < n {
        let item = draw(random);
        if taken.insert(text(&item).as_ref()) {
            found.push(item);
        }
    }
    found
}

/// The questions that do not stand within longer ones, as "How many films are there?" does within "For each genre, how
/// many films are there?", which is trained on.
fn not_within_others(questions: Vec<spider::Question>, databases: &[Database]) -> Vec<spider::Question> {
    let mut random = Random::new(SEED);
    let texts: Vec<String> = questions.iter().map(|question| normalized(&question.question)).collect();
    let finder = Finder::new(&texts);
    let mut within = HeldOut::default();
    for _ in 0..N_LOOKED_AT {
        for database in databases {
            let longer = normalized(&spider::question(&mut random, database).question);
            for found in finder.find(&longer).filter(|found| *found != longer) {
                within.insert(&found);
            }
        }
    }
    questions.into_iter().filter(|question| !within.contains(&question.question)).collect()
}

fn stories(random: &mut Random, taken: &mut HeldOut, n_bytes: usize) -> Vec<String> {
    let mut stories = Vec::new();
    let mut size = 0;
    while size < n_bytes {
        let story = unseen(random, taken, 1, story, |story| story.clone()).remove(0);
        size += story.len() + 2;
        stories.push(story);
    }
    stories
}

fn lines(values: impl Iterator<Item = Value>) -> String {
    values.map(|value| format!("{value}\n")).collect()
}
