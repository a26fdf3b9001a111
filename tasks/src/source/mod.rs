//! Data sets in the layouts in which they are published: files in, plain records out.
//!
//! A data set is a list of files. What a file is packed in (gzip, Parquet or nothing) is seen from its first bytes;
//! what the file is *about* (a subject of MMLU, a database of Spider) from its name.

mod container;
pub mod gsm8k;
pub mod mmlu;
mod name;
pub mod record;
pub mod spider;
mod table;

pub use container::{Container, container, lines, read_text, starts_with};
pub use record::{Record, each_record, records};
#[cfg(test)]
pub use table::testing;
