//! Data of figures.

use super::error::PageError;
use serde::Serialize;

/// A table of CSV with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What figures call it.
    pub name: &'static str,
    /// A heading, and a line a row; empty where there is no row.
    pub csv: String,
}

impl Table {
    /// Encodes rows; the fields are the columns.
    pub fn of<T: Serialize>(name: &'static str, rows: &[T]) -> Result<Self, PageError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in rows {
            writer.serialize(row)?;
        }
        let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(Self { name, csv: String::from_utf8(bytes).expect("made of text") })
    }
}
