//! Results → tables: `results.csv` and `results.parquet` with a row per trial, task and metric, `summary.csv` over
//! seeds, `differences.csv` and `groups.csv` from the examples behind the scores, and templates rendered with them.
//!
//! The bytes depend on results and their examples alone, not on their order, the time or the machine.

mod by_group;
mod collect;
mod context;
mod coordinates;
mod derived;
mod differences;
mod error;
mod frame;
mod layout;
mod paired;
mod pairs;
pub mod printed;
pub mod records;
mod render;
mod rendered;
mod row;
mod scores;
pub mod stats;
mod summary;
mod wording;
mod write;

pub use collect::{collect, trial_coordinates};
pub use coordinates::{Coordinates, NO_METHOD};
pub use derived::{Sources, paired};
pub use differences::{Difference, Effect};
pub use error::ReportError;
pub use layout::{Column, Line};
pub use pairs::Contrast;
pub use render::{BUILT_IN_TEMPLATES, add_filters, megabytes_text};
pub use row::Row;
pub use scores::{NamedLine, Scores, scores};
pub use summary::{Group, groups};
pub use wording::{Worded, trial_name};
pub use write::{Refresh, ReportSettings, Written, as_left, can_remember, remember, write, write_comparison};
