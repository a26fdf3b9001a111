//! Sums in words, so that no two differ in a sign alone.

use crate::pick::{between, pick, sample};
use tacq_testkit::random::Random;

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Plus,
    Minus,
    Times,
}

/// A sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    a: i64,
    operation: Operation,
    b: i64,
}

/// A random sum with a result from 1 to 198.
pub fn sum(random: &mut Random) -> Sum {
    match random.below(3) {
        0 => Sum { a: between(random, 2, 99), operation: Operation::Plus, b: between(random, 2, 99) },
        1 => {
            let a = between(random, 10, 99);
            Sum { a, operation: Operation::Minus, b: between(random, 2, a - 1) }
        }
        _ => Sum { a: between(random, 2, 16), operation: Operation::Times, b: between(random, 2, 12) },
    }
}

impl Sum {
    /// What it comes to.
    pub fn result(self) -> i64 {
        match self.operation {
            Operation::Plus => self.a + self.b,
            Operation::Minus => self.a - self.b,
            Operation::Times => self.a * self.b,
        }
    }

    fn words(self) -> String {
        let word = match self.operation {
            Operation::Plus => "plus",
            Operation::Minus => "minus",
            Operation::Times => "times",
        };
        format!("{} {word} {}", self.a, self.b)
    }

    /// The sum as a sentence.
    pub fn state(self) -> String {
        format!("{} is {}.", self.words(), self.result())
    }

    /// The sum as a question.
    pub fn ask(self, random: &mut Random) -> String {
        let words = self.words();
        pick(random, &["What is {}?", "How much is {}?", "{} is which number?"]).replace("{}", &words)
    }

    /// Three wrong results, such as slips make.
    pub fn wrong(self, random: &mut Random) -> Vec<String> {
        let right = self.result();
        let slips: Vec<i64> = [-20, -10, -9, -2, -1, 1, 2, 9, 10, 20]
            .map(|by| right + by)
            .into_iter()
            .filter(|n| *n > 0)
            .collect();
        sample(random, &slips, 3).iter().map(i64::to_string).collect()
    }
}
