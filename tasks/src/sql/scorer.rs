//! Predictions against gold queries.

use super::compare::{Table, difference};
use super::error::SqlError;
use super::limits::Limits;
use super::query::{Bounds, Failure, run};
use super::text;
use super::value::Value;
use crate::TaskError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tacq_protocol::DataFile;

/// Whether a prediction is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlVerdict {
    /// Whether it has the gold query's result.
    pub correct: bool,
    /// Why not: what SQLite says, which limit was met, or how the results differ. Empty where it is right.
    pub note: String,
}

/// Spider's databases, and the results of the gold queries seen so far.
#[derive(Debug)]
pub struct Scorer {
    databases: BTreeMap<String, PathBuf>,
    limits: Limits,
    gold: Mutex<BTreeMap<(String, String), Arc<Table>>>,
}

impl Scorer {
    /// Takes databases in files named `DB_ID.sqlite`; they are opened when a query is executed, and only read.
    pub fn open(databases: &[DataFile], limits: Limits) -> Result<Self, TaskError> {
        let mut by_id: BTreeMap<String, PathBuf> = BTreeMap::new();
        for file in databases {
            let base = file.name.rsplit('/').next().unwrap_or_default();
            let db_id = base.strip_suffix(".sqlite").filter(|db_id| !db_id.is_empty());
            let db_id = db_id.ok_or_else(|| SqlError::Name { name: file.name.clone() })?;
            if let Some(first) = by_id.insert(db_id.to_owned(), file.path.clone()) {
                let second = file.path.clone();
                return Err(SqlError::Twice { db_id: db_id.to_owned(), first, second }.into());
            }
        }
        Ok(Self { databases: by_id, limits, gold: Mutex::default() })
    }

    /// Whether a question's database is there.
    pub fn has_database(&self, db_id: &str) -> bool {
        self.databases.contains_key(db_id)
    }

    /// Executes both queries and compares their results. A prediction is a line of a predictions file of
    /// test-suite-sql-eval, see [`first_statement`](super::first_statement).
    ///
    /// # Errors
    /// If the database is missing or cannot be read, or the gold query fails.
    pub fn score(&self, db_id: &str, prediction: &str, gold: &str) -> Result<SqlVerdict, TaskError> {
        let path = self.databases.get(db_id).ok_or_else(|| SqlError::MissingDatabase {
            db_id: db_id.to_owned(),
            given: self.databases.len(),
        })?;
        let gold_query = text::gold(gold);
        let gold = self.gold_result(db_id, path, &gold_query)?;
        // With more rows or text, or other columns, it cannot be equal. (Two results without rows always are.)
        let bounds = Bounds {
            columns: (!gold.rows.is_empty()).then_some(gold.n_columns),
            rows: gold.rows.len(),
            bytes: gold.rows.iter().flatten().map(Value::bytes).sum(),
        };
        let sql = text::prediction(prediction);
        let difference = match run(path, &sql, &self.limits, bounds) {
            Ok(predicted) => {
                difference(&gold, &predicted, text::orders_rows(&gold_query)).map(|reason| reason.to_string())
            }
            Err(Failure::Database(reason)) => {
                return Err(SqlError::Database { path: path.clone(), reason }.into());
            }
            Err(failure) => Some(failure.to_string()),
        };
        Ok(SqlVerdict { correct: difference.is_none(), note: difference.unwrap_or_default() })
    }

    fn gold_result(&self, db_id: &str, path: &Path, query: &str) -> Result<Arc<Table>, SqlError> {
        let key = (db_id.to_owned(), query.to_owned());
        let known = || self.gold.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = known().get(&key) {
            return Ok(Arc::clone(table));
        }
        let bounds = Bounds { columns: None, rows: self.limits.gold_rows, bytes: usize::MAX };
        let table = match run(path, query, &self.limits, bounds) {
            Ok(table) => Arc::new(table),
            Err(Failure::Database(reason)) => {
                return Err(SqlError::Database { path: path.to_owned(), reason });
            }
            Err(failure) => {
                let (db_id, query) = key;
                return Err(SqlError::Gold { db_id, query, reason: failure.to_string() });
            }
        };
        known().insert(key, Arc::clone(&table));
        Ok(table)
    }
}
