//! The JSON Schema of experiment files, for editors.

use super::raw;
use schemars::generate::SchemaSettings;

/// The JSON Schema (draft 2020-12) of what may be written in an experiment file.
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<raw::Experiment>().to_value()
}
