//! Word problems in the layout of GSM8K (arXiv 2110.14168), easy enough for a model of a few million weights.

mod one;
mod template;
#[cfg(test)]
mod tests;
mod three;
mod two;
mod words;

use crate::pick::pick;
use tacq_testkit::random::Random;
use template::Template;

/// A word problem with its worked solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The problem's text.
    pub question: String,
    /// The solution; the last step's result is the answer.
    pub steps: Vec<Step>,
    /// The number that is asked for.
    pub answer: i64,
}

/// A sentence with one calculation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the sentence says before the calculation.
    pub before: String,
    /// The calculation's first number.
    pub left: i64,
    /// What is done with the two.
    pub operator: Operator,
    /// The calculation's second number.
    pub right: i64,
    /// What comes out.
    pub result: i64,
    /// Whether the result is in dollars.
    pub money: bool,
    /// What the sentence says after the calculation.
    pub after: String,
}

/// An operation of arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

impl Operator {
    const ALL: [Self; 4] = [Self::Add, Self::Subtract, Self::Multiply, Self::Divide];

    /// How the operation is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }

    /// The result; none if a division leaves a remainder.
    pub fn apply(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => Some(left + right),
            Self::Subtract => Some(left - right),
            Self::Multiply => Some(left * right),
            Self::Divide => (right != 0 && left % right == 0).then(|| left / right),
        }
    }
}

/// Templates by their number of steps.
const TEMPLATES: [&[Template]; 3] = [one::TEMPLATES, two::TEMPLATES, three::TEMPLATES];

/// A random problem; one, two and three steps are equally likely.
pub fn problem(random: &mut Random) -> Problem {
    let templates = *pick(random, &TEMPLATES);
    pick(random, templates).problem(random)
}

/// How many templates there are.
pub fn n_templates() -> usize {
    TEMPLATES.iter().map(|templates| templates.len()).sum()
}

impl Problem {
    /// The solution in GSM8K's layout: a line a step, with calculator annotations, and `#### answer`.
    pub fn published(&self) -> String {
        let lines: String = self.steps.iter().map(|step| step.annotated() + "\n").collect();
        format!("{lines}#### {}", self.answer)
    }

    /// The solution as a chain of thought: the sentences in one line, without annotations.
    pub fn chain(&self) -> String {
        let sentences: Vec<String> = self.steps.iter().map(Step::plain).collect();
        sentences.join(" ")
    }
}

impl Step {
    fn annotated(&self) -> String {
        let Self { before, left, right, result, after, .. } = self;
        let (sign, dollar) = (self.operator.sign(), self.dollar());
        format!("{before}{left}{sign}{right} = {dollar}<<{left}{sign}{right}={result}>>{result}{after}")
    }

    fn plain(&self) -> String {
        let Self { before, left, right, result, after, .. } = self;
        format!("{before}{left} {} {right} = {}{result}{after}", self.operator.sign(), self.dollar())
    }

    fn dollar(&self) -> &'static str {
        if self.money { "$" } else { "" }
    }
}
