//! Which tables and pages need not be made again: what went into them is the same, and they are as they were left.

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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    /// Of all that was rendered.
    inputs: Digest,
    /// Of the page.
    output: Digest,
}

/// All files of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tables {
    /// Of what they are made of.
    inputs: Digest,
    /// Names and contents, in the order in which they are told.
    files: Vec<(String, Digest)>,
}

/// By absolute path; a path that is no text is not remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    pages: BTreeMap<String, Page>,
    tables: BTreeMap<String, Tables>,
}

/// A memory in the store, which may be lost: then all is made once more.
#[derive(Debug)]
pub(super) struct Rendered {
    path: PathBuf,
    known: Known,
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
        let tables = self.known.tables.get(&name_of(dir)?).filter(|tables| tables.inputs == inputs)?;
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
        if self.known.tables.get(&name) != Some(&tables) {
            self.known.tables.insert(name, tables);
            self.changed = true;
        }
    }

    /// Whether a page is what these inputs make.
    pub(super) fn is_current(&self, page: &Path, inputs: Digest) -> bool {
        let is_as_left = |known: &Page| {
            let found = fsx::read_if_exists(page).ok().flatten();
            known.inputs == inputs && found.is_some_and(|bytes| Digest::of(&bytes) == known.output)
        };
        name_of(page).is_some_and(|name| self.known.pages.get(&name).is_some_and(is_as_left))
    }

    /// Notes what a page was made of.
    pub(super) fn note(&mut self, page: &Path, inputs: Digest, text: &str) {
        let Some(name) = name_of(page) else { return };
        let page = Page { inputs, output: Digest::of(text.as_bytes()) };
        if self.known.pages.get(&name) != Some(&page) {
            self.known.pages.insert(name, page);
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

/// What a built-in template makes depends on this, and on the program: the results, the differences, the heading.
pub(super) fn inputs(
    template: &str,
    source: &str,
    experiment: &str,
    results: &[u8],
    differences: &[u8],
) -> Digest {
    let parts = [
        env!("CARGO_PKG_VERSION").as_bytes(),
        template.as_bytes(),
        source.as_bytes(),
        experiment.as_bytes(),
        results,
        differences,
    ];
    let digests: String = parts.iter().map(|part| Digest::of(part).to_string()).collect();
    Digest::of(digests.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_current_as_long_as_nothing_changed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, page) = (Store::new(dir.path()), dir.path().join("table.md"));
        fsx::create_dir_all(store.rendered_path().parent().expect("in a folder")).expect("writable");
        let of = |results: &[u8]| inputs("table.md.j2", "text", "demo", results, b"none");
        fsx::write(&page, b"| a |").expect("writable");
        let mut rendered = Rendered::load(&store);
        assert!(!rendered.is_current(&page, of(b"1")));
        rendered.note(&page, of(b"1"), "| a |");
        rendered.save();
        let rendered = Rendered::load(&store);
        assert!(rendered.is_current(&page, of(b"1")));
        assert!(!rendered.is_current(&page, of(b"2")), "other results");
        assert_ne!(of(b"1"), inputs("table.md.j2", "other text", "demo", b"1", b"none"));
        assert!(!rendered.is_current(&dir.path().join("other.md"), of(b"1")));
        fsx::write(&page, b"| b |").expect("writable");
        assert!(!rendered.is_current(&page, of(b"1")), "somebody edited it");
        fsx::write(&store.rendered_path(), b"{").expect("writable");
        assert!(!Rendered::load(&store).is_current(&page, of(b"1")), "a damaged memory is an empty one");
    }
}
