//! Questions about small databases with the queries that answer them, in the layout of Spider (arXiv 1809.08887).
//!
//! The language is as regular as a model of a few million weights needs: one query for each kind of question, and
//! two to four ways to ask it.

mod catalog;
mod condition;
mod files;
mod kinds;
mod plan;
mod rows;
mod schema;
mod words;

#[cfg(test)]
mod tests;

pub use files::{questions_json, schemas};
pub use schema::{Database, Table};

use crate::pick::pick;
use kinds::KINDS;
use tacq_testkit::random::Random;

/// A question with the query that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which database it is about.
    pub db_id: String,
    /// The question in words.
    pub question: String,
    /// The gold query.
    pub query: String,
}

/// All databases. Their rows are the same on every machine.
pub fn databases() -> Vec<Database> {
    catalog::DATABASES.iter().zip(rows::SEED..).map(|(plan, seed)| rows::database(plan, seed)).collect()
}

/// A question of any kind about the database.
pub fn question(random: &mut Random, database: &Database) -> Question {
    loop {
        // Some kinds find nothing to ask about some tables; the first of them always does.
        if let Some(drawn) = pick(random, KINDS).draw(random, database) {
            let db_id = database.id.to_owned();
            return Question { db_id, question: drawn.question, query: drawn.query };
        }
    }
}
