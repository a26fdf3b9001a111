//! Multiple-choice questions in MMLU's layout (arXiv 2009.03300), on facts that the training text states.
//!
//! A test question asks for a fact in words in which training never asks for it; the fact itself occurs, stated and in
//! other questions, as what an examination asks for occurs in books.

mod facts;
mod relation;
mod sums;

use crate::heldout::HeldOut;
use crate::pick::{sample, shuffle};
pub use relation::Relation;
use tacq_testkit::random::Random;

/// Choices of a question.
pub const N_CHOICES: usize = 4;

/// Questions of the test file a subject. The protocol evaluates the last quarter and calibrates on the others.
pub const N_TEST: usize = 160;

/// Solved questions a subject.
pub const N_DEV: usize = 5;

/// Lengths of months are but three numbers; others that would be possible.
const OTHER_LENGTHS: [&str; 3] = ["27", "29", "32"];

/// A question with its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub question: String,
    /// Choices A to D.
    pub choices: [String; N_CHOICES],
    /// Index of the right one.
    pub answer: usize,
}

impl Question {
    /// As it stands in a prompt, up to where its letter follows.
    pub fn layout(&self) -> String {
        let choices = ('A'..).zip(&self.choices);
        let choices: String = choices.map(|(letter, choice)| format!("\n{letter}. {choice}")).collect();
        format!("{}{choices}\nAnswer:", self.question)
    }

    /// The letter of the right choice.
    pub fn letter(&self) -> char {
        char::from(b'A' + self.answer as u8)
    }
}

/// What a subject asks for.
#[derive(Debug)]
enum Content {
    /// Facts to know.
    Facts(Vec<Relation>),
    /// Sums to work out.
    Sums,
}

/// A subject.
#[derive(Debug)]
pub struct Subject {
    /// As in the names of the files: `geography`.
    pub name: &'static str,
    content: Content,
}

/// All subjects, in the order of their names.
pub fn subjects() -> Vec<Subject> {
    let facts = |name, relations| Subject { name, content: Content::Facts(relations) };
    vec![
        Subject { name: "arithmetic", content: Content::Sums },
        facts("calendar", relation::calendar()),
        facts("chemistry", relation::chemistry()),
        facts("english", relation::english()),
        facts("geography", relation::geography()),
        facts("zoology", relation::zoology()),
    ]
}

impl Subject {
    /// A question in any wording.
    pub fn question(&self, random: &mut Random) -> Question {
        match &self.content {
            Content::Facts(relations) => {
                let relation = any_relation(relations, random);
                let (fact, phrasing) =
                    (random.below(relation.facts.len()), random.below(relation.phrasings.len()));
                asked(random, relation, phrasing, fact)
            }
            Content::Sums => {
                let sum = sums::sum(random);
                let (question, wrong) = (sum.ask(random), sum.wrong(random));
                mixed(random, question, sum.result().to_string(), wrong)
            }
        }
    }

    /// A fact in words.
    pub fn statement(&self, random: &mut Random) -> String {
        match &self.content {
            Content::Facts(relations) => {
                let relation = any_relation(relations, random);
                let fact = random.below(relation.facts.len());
                relation.state(random.below(relation.statements.len()), fact)
            }
            Content::Sums => sums::sum(random).state(),
        }
    }

    /// The questions of the test file, all in wordings that are then held out. Of each fact at least half of the
    /// wordings are left for training.
    pub fn test(&self, seed: u64) -> Vec<Question> {
        let mut random = Random::new(seed);
        let mut questions = Vec::with_capacity(N_TEST);
        match &self.content {
            Content::Facts(relations) => {
                let mut wordings: Vec<(usize, usize, usize)> = Vec::new();
                for (kind, relation) in relations.iter().enumerate() {
                    for fact in 0..relation.facts.len() {
                        let mut phrasings: Vec<usize> = (0..relation.phrasings.len()).collect();
                        shuffle(&mut random, &mut phrasings);
                        let held_out = &phrasings[..relation.phrasings.len() / 2];
                        wordings.extend(held_out.iter().map(|&phrasing| (kind, phrasing, fact)));
                    }
                }
                shuffle(&mut random, &mut wordings);
                for (kind, phrasing, fact) in wordings.into_iter().take(N_TEST) {
                    questions.push(asked(&mut random, &relations[kind], phrasing, fact));
                }
            }
            Content::Sums => {
                let mut seen = HeldOut::default();
                while questions.len() < N_TEST {
                    let question = self.question(&mut random);
                    if seen.insert(&question.question) {
                        questions.push(question);
                    }
                }
            }
        }
        assert_eq!(questions.len(), N_TEST, "{} has too few facts", self.name);
        questions
    }
}

/// A kind of facts: each fact as likely as the others, whatever its kind.
fn any_relation<'a>(relations: &'a [Relation], random: &mut Random) -> &'a Relation {
    let n: usize = relations.iter().map(|relation| relation.facts.len()).sum();
    let mut at = random.below(n);
    for relation in relations {
        match at.checked_sub(relation.facts.len()) {
            Some(rest) => at = rest,
            None => return relation,
        }
    }
    unreachable!("the index is below the number of facts")
}

fn asked(random: &mut Random, relation: &Relation, phrasing: usize, fact: usize) -> Question {
    let right = &relation.facts[fact].1;
    let mut others = relation.answers();
    if others.len() < N_CHOICES {
        others.extend(OTHER_LENGTHS);
    }
    others.retain(|answer| answer != right);
    let wrong = sample(random, &others, N_CHOICES - 1).into_iter().map(str::to_owned).collect();
    mixed(random, relation.ask(phrasing, fact), right.clone(), wrong)
}

/// The right choice among the wrong ones, anywhere.
fn mixed(random: &mut Random, question: String, right: String, wrong: Vec<String>) -> Question {
    let answer = random.below(N_CHOICES);
    let mut choices = wrong;
    choices.insert(answer, right);
    let choices = choices.try_into().expect("three wrong choices and a right one");
    Question { question, choices, answer }
}
