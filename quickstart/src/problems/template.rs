//! Templates of problems.
//!
//! Letters stand for numbers. A sentence of the solution has its calculation in angle brackets, `<a + b = c>`, and
//! `$` before the result if that is money; the result is a number that later sentences can use.

use super::words::LISTS;
use super::{Operator, Problem, Step};
use crate::pick::{between, pick};
use crate::scene::Scene;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use tacq_testkit::random::Random;

/// The results that a small model can be asked for. It starts at 2, so that every count takes the plural.
pub(super) const RESULTS: RangeInclusive<i64> = 2..=400;

/// Where a number of the question comes from.
pub(super) enum Draw {
    /// Any number from the first to the last.
    Between(i64, i64),
    /// One of these.
    Of(&'static [i64]),
}

/// A situation with numbers to be drawn.
pub(super) struct Template {
    pub(super) numbers: &'static [(&'static str, Draw)],
    /// Wordings of the question.
    pub(super) questions: &'static [&'static str],
    /// The sentences of the solution.
    pub(super) steps: &'static [&'static str],
}

impl Template {
    pub(super) fn problem(&self, random: &mut Random) -> Problem {
        let numbers = loop {
            if let Some(numbers) = self.draw(random) {
                break numbers;
            }
        };
        let mut scene = Scene::new(&[LISTS]);
        for number in ["", "2", "3"] {
            scene.introduce(random, number);
        }
        for (letter, number) in &numbers {
            scene.set(letter, &number.to_string());
        }
        let question = *pick(random, self.questions);
        let question = scene.write(random, question);
        let steps: Vec<Step> = self
            .steps
            .iter()
            .map(|text| {
                let (before, calculation, after) = parts(text);
                let (left, right) = calculation.operands(&numbers);
                Step {
                    before: scene.write(random, before),
                    left,
                    operator: calculation.operator,
                    right,
                    result: numbers[calculation.result],
                    money: calculation.money,
                    after: scene.write(random, after),
                }
            })
            .collect();
        let answer = steps.last().expect("a template has steps").result;
        Problem { question, steps, answer }
    }

    /// Numbers for all letters, or nothing if a calculation with them would be too hard.
    fn draw(&self, random: &mut Random) -> Option<BTreeMap<&'static str, i64>> {
        let mut numbers = BTreeMap::new();
        for (letter, draw) in self.numbers {
            let number = match draw {
                Draw::Between(low, high) => between(random, *low, *high),
                Draw::Of(choices) => *pick(random, choices),
            };
            numbers.insert(*letter, number);
        }
        for text in self.steps {
            let (_, calculation, _) = parts(text);
            let (left, right) = calculation.operands(&numbers);
            numbers.insert(calculation.result, easy_result(left, calculation.operator, right)?);
        }
        Some(numbers)
    }
}

/// A calculation before its letters have values.
struct Calculation {
    left: &'static str,
    operator: Operator,
    right: &'static str,
    money: bool,
    result: &'static str,
}

impl Calculation {
    fn operands(&self, numbers: &BTreeMap<&'static str, i64>) -> (i64, i64) {
        let value = |operand: &str| {
            operand.parse().unwrap_or_else(|_| *numbers.get(operand).expect("operands are numbers or drawn"))
        };
        (value(self.left), value(self.right))
    }
}

/// What is before the calculation of a sentence, the calculation, and what is after it.
fn parts(text: &'static str) -> (&'static str, Calculation, &'static str) {
    let (before, rest) = text.split_once('<').expect("a step has a calculation");
    let (calculation, after) = rest.split_once('>').expect("a calculation ends");
    let mut words = calculation.split(' ');
    let mut word = || words.next().expect("a calculation has five words");
    let (left, sign, right, _, result) = (word(), word(), word(), word(), word());
    let operator = Operator::ALL.into_iter().find(|o| o.sign() == sign).expect("the sign is an operator's");
    let money = result.starts_with('$');
    (before, Calculation { left, operator, right, money, result: result.trim_start_matches('$') }, after)
}

/// The result, if a small model can be expected to find it.
fn easy_result(left: i64, operator: Operator, right: i64) -> Option<i64> {
    let result = operator.apply(left, right)?;
    let easy = match operator {
        Operator::Add | Operator::Subtract => true,
        Operator::Multiply => easy_product(left, right),
        Operator::Divide => easy_product(result, right),
    };
    (easy && RESULTS.contains(&result)).then_some(result)
}

/// Whether this is a two-digit number times a single digit, or in the multiplication table up to 12.
fn easy_product(left: i64, right: i64) -> bool {
    let (small, large) = (left.min(right), left.max(right));
    (small <= 9 && large <= 99) || large <= 12
}
