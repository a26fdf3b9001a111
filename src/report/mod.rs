//! Results → tables: `results.csv` and `results.parquet` with a row per trial, task and metric, `summary.csv` over
//! seeds, and templates rendered with both.
//!
//! The bytes depend on the rows alone, not on their order, the time or the machine.

mod collect;
mod context;
mod coordinates;
mod error;
mod frame;
mod layout;
mod render;
mod row;
pub mod stats;
mod summary;
mod write;

pub use collect::collect;
pub use coordinates::{Coordinates, NO_METHOD};
pub use error::ReportError;
pub use render::BUILT_IN_TEMPLATES;
pub use row::Row;
pub use write::{ReportSettings, write};
