//! Spider's execution accuracy: a predicted query is right if it gives the gold query's result.
//!
//! The protocol is that of test-suite-sql-eval (Zhong et al., arXiv 2010.02840, `evaluation.py --etype exec`) on the
//! original databases, whose verdicts this reproduces: DISTINCT is dropped from both queries, the order of rows counts
//! only if the gold query orders them, columns may come in any order, and values are compared as Python compares what
//! its `sqlite3` returns.
//!
//! This includes what one might not expect: an empty prediction is no error and has no rows, which is right where the
//! gold query finds none; and rows with several numbers may be told apart by an integer in place of the equal float.
//!
//! Where it differs, on purpose:
//! - **Only reading counts.** A prediction that writes, attaches or sets anything is wrong; there it is executed, and
//!   matches a gold query without rows.
//! - **One SQLite.** There it is the one of the Python at hand. Sums of floats differ in the last digits from versions
//!   before 3.43, and rows that a query leaves unordered come as that version finds them.
//! - **Every query ends.** There a query may run for ever (the time limit is never looked at while SQLite works), and
//!   ten columns can take longer than one has. Here [`Limits`] bound steps, memory and, as the last resort, time.

mod columns;
mod compare;
mod error;
mod lexer;
mod limits;
mod query;
mod scorer;
mod text;
mod value;

pub use error::SqlError;
pub use limits::Limits;
pub use scorer::{Scorer, SqlVerdict};
pub use text::first_statement;
