//! Which reports need not be made again: what went into their tables is the same, and they are as they were left.

use super::render::built_in;
use crate::digest::Digest;
use crate::fsx;
use crate::plan::{Plan, StageId};
use crate::spec::{Experiment, model_names};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// All files of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tables {
    /// Of what they are made of.
    inputs: Digest,
    /// Names and contents, in the order in which they are told.
    files: Vec<(String, Digest)>,
}

/// A memory in the store, which may be lost: then all is made once more.
#[derive(Debug)]
pub(super) struct Rendered {
    path: PathBuf,
    /// By absolute path; a path that is no text is not remembered.
    known: BTreeMap<String, Tables>,
    changed: bool,
}

impl Rendered {
    pub(super) fn load(store: &Store) -> Self {
        let path = store.rendered_path();
        let bytes = fsx::read_if_exists(&path).ok().flatten().unwrap_or_default();
        Self { path, known: serde_json::from_slice(&bytes).unwrap_or_default(), changed: false }
    }

    /// The files of a report, if they are what these inputs make.
    pub(super) fn current_tables(&self, dir: &Path, inputs: Digest) -> Option<Vec<PathBuf>> {
        let tables = self.known.get(&name_of(dir)?).filter(|tables| tables.inputs == inputs)?;
        let is_as_left = |(name, digest): &(String, Digest)| {
            let path = dir.join(name);
            let found = fsx::read_if_exists(&path).ok().flatten()?;
            (Digest::of(&found) == *digest).then_some(path)
        };
        tables.files.iter().map(is_as_left).collect()
    }

    /// Notes what the files of a report were made of.
    pub(super) fn note_tables(&mut self, dir: &Path, inputs: Digest, paths: &[PathBuf]) {
        let file = |path: &PathBuf| {
            let found = fsx::read_if_exists(path).ok().flatten()?;
            Some((path.file_name()?.to_str()?.to_owned(), Digest::of(&found)))
        };
        let Some(files) = paths.iter().map(file).collect() else { return };
        let Some(name) = name_of(dir) else { return };
        let tables = Tables { inputs, files };
        if self.known.get(&name) != Some(&tables) {
            self.known.insert(name, tables);
            self.changed = true;
        }
    }

    /// Keeps it for the next run. A store that cannot be written only costs time.
    pub(super) fn save(self) {
        if !self.changed {
            return;
        }
        let text = serde_json::to_vec(&self.known).expect("plain data");
        if let Err(error) = fsx::replace(&self.path, &text) {
            tracing::debug!("{error}");
        }
    }
}

/// What the files of a report are made of, if every trial has its results: the trials, the keys of what answers them, and
/// the templates; none if some template is a file, which may include others.
pub(super) fn inputs_of_tables(experiment: &Experiment, plan: &Plan) -> Option<Digest> {
    let mut text = format!("{} {}\n", env!("CARGO_PKG_VERSION"), experiment.name);
    for template in &experiment.report.templates {
        writeln!(text, "{template} {}", Digest::of(built_in(template)?.as_bytes())).expect("text");
    }
    // Models are named by what the others are called, too.
    writeln!(text, "{:?} {:?}", model_names(experiment), experiment.tasks).expect("text");
    let key = |id: StageId| plan.stages[id].key();
    for planned in &plan.trials {
        write!(text, "{:?} {:?}", planned.trial, planned.checkpoint.map(key)).expect("text");
        for (name, id) in &planned.evaluations {
            write!(text, " {name} {}", key(*id)?).expect("text");
        }
        text.push('\n');
    }
    Some(Digest::of(text.as_bytes()))
}

fn name_of(page: &Path) -> Option<String> {
    std::path::absolute(page).ok()?.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_current_as_long_as_nothing_changed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, page) = (Store::new(dir.path()), dir.path().join("table.md"));
        fsx::create_dir_all(store.rendered_path().parent().expect("in a folder")).expect("writable");
        let of = |results: &[u8]| Digest::of(results);
        let is_current = |rendered: &Rendered, inputs| rendered.current_tables(dir.path(), inputs).is_some();
        fsx::write(&page, b"| a |").expect("writable");
        let mut rendered = Rendered::load(&store);
        assert!(!is_current(&rendered, of(b"1")));
        rendered.note_tables(dir.path(), of(b"1"), std::slice::from_ref(&page));
        rendered.save();
        let rendered = Rendered::load(&store);
        assert_eq!(rendered.current_tables(dir.path(), of(b"1")), Some(vec![page.clone()]));
        assert!(!is_current(&rendered, of(b"2")), "other results");
        assert_eq!(rendered.current_tables(&dir.path().join("other"), of(b"1")), None);
        fsx::write(&page, b"| b |").expect("writable");
        assert!(!is_current(&rendered, of(b"1")), "somebody edited it");
        fsx::write(&page, b"| a |").expect("writable");
        assert!(is_current(&Rendered::load(&store), of(b"1")));
        fsx::write(&store.rendered_path(), b"{").expect("writable");
        assert!(!is_current(&Rendered::load(&store), of(b"1")), "a damaged memory is an empty one");
    }
}
