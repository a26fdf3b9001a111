//! House rules that a compiler does not check. Each failure lists every place, and what to do instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The driver's modules, lowest first. A module imports only from layers below its own.
const LAYERS: &[&[&str]] = &[
    &["fsx"],
    &["digest", "hub", "slurm"],
    &["stage_key"],
    &["spec"],
    &["store"],
    &["plan"],
    &["exec", "report"],
    &["page"],
    &["serve"],
    &["cli"],
];

/// Where programs may print. The engine's standard output is its protocol: one stray line breaks it.
const PRINTERS: &[&str] = &["src/cli/output.rs", "engine/src/cli.rs"];

/// Longer files are split by concept.
const MAX_LINES: usize = 600;

/// A source file of the workspace.
struct Source {
    /// Path from the repository's root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The lines that are not comments, with their numbers, up to the file's unit tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_tests = self.path.ends_with("/tests.rs");
        let lines = self.text.lines().enumerate().map(|(i, line)| (i + 1, line));
        lines
            .take_while(move |(_, line)| !is_tests && !line.contains("#[cfg(test)]"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path: relative, text: fs::read_to_string(&path).unwrap() });
        }
    }
    assert!(!found.is_empty(), "no sources in {folders:?}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

const ALL: &[&str] = &[
    "src",
    "engine/src",
    "engine/tests",
    "engine/build.rs",
    "protocol/src",
    "tasks",
    "testkit",
    "quickstart",
    "tests",
];

fn all_sources() -> Vec<Source> {
    let present: Vec<&str> = ALL.iter().copied().filter(|folder| root().join(folder).exists()).collect();
    sources(&present)
}

#[track_caller]
fn assert_none(problems: &[String], advice: &str) {
    assert!(problems.is_empty(), "{advice}:\n  {}", problems.join("\n  "));
}

/// The layer of a top-level module of the driver; `None` for lib.rs and main.rs.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

#[test]
fn driver_layers_import_downward_only() {
    let mut problems = Vec::new();
    for source in sources(&["src"]) {
        let module = source.path["src/".len()..].split(['/', '.']).next().unwrap().to_owned();
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(own) = layer(&module) else {
            problems.push(format!("{}: module `{module}` belongs to no layer", source.path));
            continue;
        };
        for (number, line) in source.code() {
            for rest in line.split("crate::").skip(1) {
                // `use crate::{a, b}` would hide its modules from this test.
                let names: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let fine = names == module || layer(&names).is_some_and(|other| other < own);
                if !fine {
                    problems.push(format!("{}:{number}: {}", source.path, line.trim()));
                }
            }
        }
    }
    assert_none(&problems, "imports must point to a lower layer, one module per `use crate::…`");
}

/// All packages that this one depends on, itself and development dependencies included, from Cargo.lock.
fn dependencies(package: &str) -> BTreeSet<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in lock.split("[[package]]").skip(1) {
        let name = entry.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"');
        let needed = entry.lines().filter_map(|line| line.strip_prefix(" \""));
        let names = needed.map(|line| line.split([' ', '"']).next().unwrap());
        graph.entry(name).or_default().extend(names);
    }
    let mut seen = BTreeSet::new();
    let mut pending = vec![package];
    while let Some(name) = pending.pop() {
        if seen.insert(name.to_owned()) {
            pending.extend(&graph[name]);
        }
    }
    assert!(seen.contains("tacq-protocol"), "Cargo.lock is not read right");
    seen
}

#[test]
fn driver_does_not_depend_on_libtorch() {
    let driver = dependencies("tacq-sweep");
    for engine_only in ["tch", "torch-sys", "tacq-engine"] {
        assert!(!driver.contains(engine_only), "the driver depends on {engine_only}; only the engine may");
    }
}

#[test]
fn engine_does_not_depend_on_the_driver() {
    let engine = dependencies("tacq-engine");
    assert!(engine.contains("torch-sys"), "Cargo.lock is not read right");
    for driver_only in ["tacq-sweep", "saphyr-parser", "polars", "clap"] {
        assert!(!engine.contains(driver_only), "the engine depends on {driver_only}; only the driver may");
    }
}

#[test]
fn files_are_touched_through_fsx_only() {
    let mut problems = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.path != "src/fsx.rs") {
        for (number, line) in source.code() {
            // Types such as std::fs::Metadata are fine; what acts on paths is not.
            let acts = line
                .split("std::fs::")
                .skip(1)
                .any(|rest| rest.starts_with(|c: char| c.is_lowercase()) || rest.starts_with("{self"));
            let opens = ["use std::fs;", "File::open(", "File::create(", "OpenOptions"];
            if acts || opens.iter().any(|call| line.contains(call)) {
                problems.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(&problems, "call crate::fsx instead: its errors carry the path");
}

#[test]
fn printing_has_its_places() {
    let mut problems = Vec::new();
    let programs =
        sources(&["src", "engine/src", "protocol/src", "tasks/src", "testkit/src", "quickstart/src"]);
    for source in programs.iter().filter(|source| !PRINTERS.contains(&source.path.as_str())) {
        // What an engine says on standard error goes to a file of the run.
        let may_warn = source.path.starts_with("engine/");
        for (number, line) in source.code() {
            let line = if may_warn { line.replace("eprint", "") } else { line.to_owned() };
            if ["print!(", "println!(", "dbg!("].iter().any(|call| line.contains(call)) {
                problems.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(&problems, "print through src/cli/output.rs; in the engine, send an event");
}

#[test]
fn every_file_says_what_it_is_for() {
    let files = all_sources();
    let silent = files.iter().filter(|source| !source.text.starts_with("//!")).filter(|source| {
        // An error.rs says it by its name, unit tests and parts of a test belong to the file beside them, and a
        // main.rs of a few lines has nothing to say.
        let short_main = source.path.ends_with("main.rs") && source.text.lines().count() < 20;
        let is_part_of_test = source.path.split_once("tests/").is_some_and(|(_, rest)| rest.contains('/'));
        let named = ["/error.rs", "/tests.rs"].iter().any(|name| source.path.ends_with(name));
        !short_main && !is_part_of_test && !named
    });
    let problems: Vec<String> = silent.map(|source| source.path.clone()).collect();
    assert_none(&problems, "begin the file with `//!` and what it is for");
}

#[test]
fn files_stay_short() {
    let lengths = all_sources().into_iter().map(|source| (source.text.lines().count(), source.path));
    let problems: Vec<String> = lengths
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, path)| format!("{path}: {lines}"))
        .collect();
    assert_none(&problems, "split these files by concept");
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, so that this file does not name them itself.
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("unimpl", "emented!(")];
    let mut problems = Vec::new();
    for source in all_sources() {
        for (i, line) in source.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                problems.push(format!("{}:{}: {}", source.path, i + 1, line.trim()));
            }
        }
    }
    assert_none(&problems, "do it now, or open an issue");
}
