//! What a query may use.

use std::time::Duration;

/// Bounds of one query. All but `wall_clock` give the same verdict on every machine and every day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instructions of SQLite's virtual machine, counted in thousands; the default takes some 10 seconds. Spider's own
    /// queries need fewer than 100,000.
    pub steps: u64,
    /// The last resort, for what a count of steps does not see: a single step that takes for ever.
    pub wall_clock: Duration,
    /// Bytes of memory that SQLite may hold. It is a limit of the process, of which the lowest ever set counts.
    pub heap_bytes: u64,
    /// Bytes of a query's text.
    pub sql_bytes: i32,
    /// Bytes of a text, a blob or a row.
    pub value_bytes: i32,
    /// Rows of a gold query's result. A prediction is stopped as soon as it exceeds the gold query's.
    pub gold_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 500_000_000,
            wall_clock: Duration::from_secs(60),
            heap_bytes: 1 << 30,
            sql_bytes: 100_000,
            value_bytes: 1_000_000,
            gold_rows: 10_000_000,
        }
    }
}
