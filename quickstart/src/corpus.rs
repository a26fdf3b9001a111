//! The text that the model learns from: documents without end, each a function of its number alone, so that training can
//! go on anywhere. Nothing that is tested occurs in it.

use crate::assets::Data;
use crate::mmlu::{Question, Subject};
use crate::pick::{between, pick};
use crate::problems::problem;
use crate::prose::story;
use crate::spider::{self, Database};
use tacq_testkit::random::Random;

/// The system prompt of the paper's Spider prompts.
const SYSTEM: &str = "### Answer the question by sqlite SQL query only and with no explanation";

/// Begins a turn of a chat.
pub const TURN_START: &str = "<|im_start|>";
/// Ends a turn of a chat.
pub const TURN_END: &str = "<|im_end|>";

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// Whether this is what the model is to learn: an answer, a text; not a question.
    pub is_answer: bool,
}

/// A document: what a prompt and its answer look like, or a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Its parts in order.
    pub pieces: Vec<Piece>,
}

impl Document {
    fn ask(&mut self, text: impl Into<String>) {
        self.pieces.push(Piece { text: text.into(), is_answer: false });
    }

    fn answer(&mut self, text: impl Into<String>) {
        self.pieces.push(Piece { text: text.into(), is_answer: true });
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// The documents' source.
#[derive(Debug)]
pub struct Corpus<'a> {
    data: &'a Data,
    seed: u64,
}

impl<'a> Corpus<'a> {
    /// Documents that hold nothing of what `data` tests.
    pub fn new(data: &'a Data, seed: u64) -> Self {
        Self { data, seed }
    }

    /// Document number `index`.
    pub fn document(&self, index: u64) -> Document {
        // A generator of its own each, far from the others'.
        let mut random = Random::new(
            self.seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ index.wrapping_mul(0x9E6C_63D0_876A_68DE),
        );
        let random = &mut random;
        match random.below(100) {
            0..30 => self.examination(random),
            30..38 => self.facts(random),
            38..68 => self.word_problems(random),
            68..90 => self.query(random),
            _ => self.stories(random),
        }
    }

    fn examination(&self, random: &mut Random) -> Document {
        let subject = pick(random, &self.data.subjects);
        let mut document = Document::default();
        let words: String = subject.name.split('_').map(|word| format!(" {word}")).collect();
        let mut asked =
            format!("The following are multiple choice questions (with answers) about {words}.\n\n");
        for _ in 0..between(random, 3, 9) {
            let question = self.question(random, subject);
            asked.push_str(&question.layout());
            document.ask(std::mem::take(&mut asked));
            document.answer(format!(" {}", question.letter()));
            asked.push_str("\n\n");
        }
        document
    }

    fn question(&self, random: &mut Random, subject: &Subject) -> Question {
        loop {
            let question = subject.question(random);
            if !self.data.held_out.contains(&question.question) {
                return question;
            }
        }
    }

    fn facts(&self, random: &mut Random) -> Document {
        let subject = pick(random, &self.data.subjects);
        let statements: Vec<String> =
            (0..between(random, 6, 16)).map(|_| subject.statement(random)).collect();
        let mut document = Document::default();
        document.answer(statements.join(" "));
        document
    }

    fn word_problems(&self, random: &mut Random) -> Document {
        let mut document = Document::default();
        let as_published = random.below(8) == 0;
        for _ in 0..between(random, 1, 9) {
            let problem = loop {
                let problem = problem(random);
                if !self.data.held_out.contains(&problem.question) {
                    break problem;
                }
            };
            let solution = if as_published { problem.published() } else { problem.chain() };
            document.ask(format!("Q: {}\nA:", problem.question));
            document.answer(format!(" {solution} The answer is {}.\n\n", problem.answer));
        }
        document
    }

    fn query(&self, random: &mut Random) -> Document {
        let database = pick(random, &self.data.databases);
        let question = loop {
            let question = spider::question(random, database);
            if !self.data.held_out.contains(&question.question) {
                break question;
            }
        };
        let mut document = Document::default();
        document.ask(chat(&question.question, database));
        document.answer(format!("{}{TURN_END}", question.query));
        document
    }

    fn stories(&self, random: &mut Random) -> Document {
        let mut document = Document::default();
        for _ in 0..between(random, 1, 3) {
            let story = loop {
                let story = story(random);
                if !self.data.held_out.contains(&story) {
                    break story;
                }
            };
            document.answer(format!("{story}\n\n"));
        }
        document
    }
}

/// A question on a database, in the model's chat template, up to where the query follows.
pub fn chat(question: &str, database: &Database) -> String {
    let tables: String = database
        .tables
        .iter()
        .map(|table| format!("# {}({});\n", table.name(), table.column_names().join(",")))
        .collect();
    let asked =
        format!("### Sqlite SQL tables, with their properties:\n{tables}###\n### {question}\n### SQL:");
    let turn = |role: &str, content: &str| format!("{TURN_START}{role}\n{content}{TURN_END}\n");
    format!("{}{}{TURN_START}assistant\n", turn("system", SYSTEM), turn("user", &asked))
}
