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
            diagnostics.sort_by(|a, b| (a.position, &a.at, &a.message).cmp(&(b.position, &b.at, &b.message)));
            // What holds for all grids is checked for each.
            diagnostics.dedup();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Location;

    const TEXT: &str = "name: x\nmodel: a\ndatasets: {d: {test: b}}\nsweep: {bits: 3, methods: rtn}\n";

    fn parse(text: &str, sets: &[&str]) -> Result<Experiment, SpecErrors> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        parse_str("x.yaml".as_ref(), text, &sets)
    }

    #[test]
    fn marks_and_line_ends_of_other_editors_change_nothing() {
        let plain = parse(TEXT, &[]).unwrap();
        assert_eq!(parse(&format!("\u{feff}{TEXT}"), &[]).unwrap(), plain);
        assert_eq!(parse(&TEXT.replace('\n', "\r\n"), &[]).unwrap(), plain);
        assert_eq!(parse(TEXT.trim_end(), &[]).unwrap(), plain);
        assert_eq!(parse(&format!("---\n{TEXT}...\n"), &[]).unwrap().models[0].text, "a");
    }

    #[test]
    fn the_last_set_of_a_key_counts() {
        let experiment = parse(TEXT, &["sweep.bits=[2, 4]", "sweep.bits=8", "model=/a b/c=d"]).unwrap();
        assert_eq!(
            experiment.sweeps[0].quantizations.iter().map(|(bits, _)| bits.get()).collect::<Vec<_>>(),
            [8]
        );
        assert_eq!(experiment.models[0].location, Location::Local("/a b/c=d".into()));
    }

    #[test]
    fn a_set_can_mend_what_is_wrong_in_the_file() {
        let wrong = TEXT.replace("bits: 3", "bits: 33");
        assert!(parse(&wrong, &[]).is_err());
        assert!(parse(&wrong, &["sweep.bits=3"]).is_ok());
    }
}
