//! An experiment file from disk or text.

use super::error::{Diagnostic, LoadError, Position, SpecErrors};
use super::experiment::Experiment;
use super::node::Place;
use super::read::{Decode, Reader};
use super::{parse, raw, resolve, set};
use crate::fsx;
use std::path::Path;

/// Reads an experiment file and applies `sets`, each `KEY=VALUE`.
///
/// # Errors
/// The file cannot be read, or something in it or in `sets` is wrong.
pub fn load(path: &Path, sets: &[String]) -> Result<Experiment, LoadError> {
    let bytes = fsx::read(path)?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(path, &bytes[..error.valid_up_to()]).into()),
    };
    Ok(parse_str(path, text, sets)?)
}

/// Reads an experiment from text; `path` serves messages.
///
/// # Errors
/// Something in it or in `sets` is wrong.
pub fn parse_str(path: &Path, text: &str, sets: &[String]) -> Result<Experiment, SpecErrors> {
    let mut reader = Reader::default();
    let experiment = match parse::document(text, &Place::default(), &mut reader.diagnostics) {
        Some(mut root) => {
            for set in sets {
                set::apply(&mut root, set, &mut reader.diagnostics);
            }
            raw::Experiment::decode(&root, &mut reader)
                .and_then(|raw| resolve::resolve(raw, path, &mut reader))
        }
        None => {
            if reader.diagnostics.is_empty() {
                let place = Place { at: String::new(), position: Position { line: 1, column: 1 } };
                let message = "the file is empty; an experiment has at least `name`, `model` and `sweep`";
                reader.report(&place, message);
            }
            None
        }
    };
    let mut diagnostics = reader.diagnostics;
    match experiment {
        Some(experiment) if diagnostics.is_empty() => Ok(experiment),
        _ => {
            assert!(!diagnostics.is_empty(), "an experiment is refused only with a reason");
            diagnostics.sort_by(|a, b| (a.position, &a.at).cmp(&(b.position, &b.at)));
            Err(SpecErrors { path: path.to_owned(), diagnostics })
        }
    }
}

fn not_utf8(path: &Path, valid: &[u8]) -> SpecErrors {
    let valid = String::from_utf8_lossy(valid);
    let line = valid.matches('\n').count() + 1;
    let column = valid.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let diagnostic = Diagnostic {
        position: Position { line, column },
        at: String::new(),
        message: "the file is not UTF-8 text".to_owned(),
        hint: Some("save it as UTF-8".to_owned()),
    };
    SpecErrors { path: path.to_owned(), diagnostics: vec![diagnostic] }
}
