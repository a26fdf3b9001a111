//! The documents say what is true: their commands exist, their links resolve, the tests they name are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Documents for users and developers.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "assets/quickstart/PROVENANCE.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/exit-codes.md",
    "docs/experiment-file.md",
    "docs/paper-map.md",
    "docs/results.md",
    "docs/running.md",
    "docs/slurm.md",
    "docs/store.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn tacq_sweep(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tacq-sweep")).args(arguments).current_dir(root()).output().unwrap()
}

/// The commands in a document's `sh` and `console` blocks, without prompts and comments.
fn commands(document: &str) -> Vec<String> {
    let text = read(document);
    let mut language = None;
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.trim_start().strip_prefix("```") {
            language = if language.is_some() { None } else { Some(name.to_owned()) };
            continue;
        }
        let command = match language.as_deref() {
            Some("sh") => Some(line),
            // Lines without a prompt are output.
            Some("console") => line.strip_prefix("$ "),
            _ => None,
        };
        let command = command.map(|c| c.split(" # ").next().unwrap_or_default().trim());
        found.extend(command.filter(|c| !c.is_empty()).map(str::to_owned));
    }
    assert!(language.is_none(), "{document}: a code block is not closed");
    found
}

/// Commands in running text and tables: `make test`, `bash .ci/run`.
fn inline_code(document: &str) -> Vec<String> {
    read(document).split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn make_targets() -> BTreeSet<String> {
    let makefile = read("Makefile");
    let targets = makefile.lines().filter_map(|line| line.split_once(": ").or(line.split_once(":")));
    targets.map(|(name, _)| name.to_owned()).filter(|name| !name.contains([' ', '\t', '.', '='])).collect()
}

/// Checks the arguments of a command of tacq-sweep.
fn check_call(command: &[&str], arguments: &[&str]) -> Result<(), String> {
    let help = tacq_sweep(&[command, &["--help"]].concat());
    let command = command.join(" ");
    if !help.status.success() {
        return Err(format!("`{command}` is no command of tacq-sweep"));
    }
    let help = String::from_utf8(help.stdout).unwrap();
    for argument in arguments {
        if argument.starts_with('-') && !help.contains(argument) {
            return Err(format!("`tacq-sweep {command}` has no {argument}"));
        }
        if argument.ends_with(".yaml") && !root().join(argument).is_file() {
            return Err(format!("{argument} does not exist"));
        }
    }
    Ok(())
}

/// Checks one command line; `Err` says what is wrong with it.
fn check(command: &str) -> Result<(), String> {
    let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches('\'')).collect();
    match words.as_slice() {
        ["tacq-sweep", "store", subcommand, arguments @ ..] => check_call(&["store", subcommand], arguments),
        ["tacq-sweep", subcommand, arguments @ ..] => check_call(&[subcommand], arguments),
        ["make", targets @ ..] => {
            let known = make_targets();
            match targets.iter().find(|target| !known.contains(**target)) {
                Some(unknown) => Err(format!("the Makefile has no target {unknown}")),
                None => Ok(()),
            }
        }
        ["bash", script] if root().join(script).is_file() => Ok(()),
        ["cargo", ..] | ["git", "clone", _] => Ok(()),
        ["cd", folder] if *folder == env!("CARGO_PKG_NAME") => Ok(()),
        _ => Err("this test does not know how to check it".to_owned()),
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    let mut problems = Vec::new();
    let mut checked = 0;
    for document in DOCUMENTS {
        let inline = inline_code(document);
        let inline = inline.into_iter().filter(|code| code.starts_with("make ") || code.starts_with("bash "));
        for command in commands(document).into_iter().chain(inline) {
            checked += 1;
            if let Err(problem) = check(&command) {
                problems.push(format!("{document}: `{command}`: {problem}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(checked > 20, "only {checked} commands found");
}

#[test]
fn the_readme_names_every_command_of_the_driver() {
    let help = String::from_utf8(tacq_sweep(&["--help"]).stdout).unwrap();
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> =
        listed.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    assert!(names.contains(&"run"), "no commands in:\n{help}");
    let readme = read("README.md");
    for name in names.into_iter().filter(|name| *name != "help") {
        assert!(
            readme.contains(&format!("tacq-sweep {name}")),
            "README.md does not show `tacq-sweep {name}`"
        );
    }
}

#[test]
fn links_resolve() {
    let mut problems = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let folder = root().join(document).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            if path.starts_with("http") {
                continue;
            }
            let file = if path.is_empty() { root().join(document) } else { folder.join(path) };
            if !file.exists() {
                problems.push(format!("{document}: {target}"));
            } else if !anchor.is_empty() && !anchors(&file).contains(anchor) {
                problems.push(format!("{document}: {target}: no such heading"));
            }
        }
    }
    assert!(problems.is_empty(), "broken links:\n{}", problems.join("\n"));
}

/// Anchors that GitHub gives to a document's headings.
fn anchors(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    headings.map(slug).collect()
}

#[test]
fn invariants_are_guarded_by_tests_that_exist() {
    let text = read("ARCHITECTURE.md");
    let section = text.split("## Invariants").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut problems = Vec::new();
    let mut unguarded: Vec<String> = Vec::new();
    for item in section.split("\n\n").flat_map(|paragraph| paragraph.split("\n")).fold(Vec::new(), join_items)
    {
        let tests: Vec<&str> =
            item.split('`').skip(1).step_by(2).filter(|code| code.contains("::")).collect();
        if tests.is_empty() {
            unguarded.push(item.clone());
        }
        for test in tests {
            let (path, name) = test.split_once("::").unwrap();
            let marks = [format!("fn {name}("), format!("def {name}(")];
            let present = fs::read_to_string(root().join(path))
                .is_ok_and(|code| marks.iter().any(|m| code.contains(m)));
            if !present {
                problems.push(format!("no test `{test}`"));
            }
        }
    }
    assert!(unguarded.is_empty(), "invariants without a test:\n{}", unguarded.join("\n"));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Collects numbered items, each with its continuation lines.
fn join_items(mut items: Vec<String>, line: &str) -> Vec<String> {
    if line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok()) {
        items.push(line.to_owned());
    } else if let Some(last) = items.last_mut() {
        last.push_str(line);
    }
    items
}

// That they are valid is tested with the specification: tests/specs.
#[test]
fn shipped_experiments_are_in_the_readme() {
    let readme = read("README.md");
    let entries = fs::read_dir(root().join("experiments")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    assert!(!files.is_empty());
    for file in files {
        let relative = file.strip_prefix(root()).unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("({relative})")), "README.md does not link {relative}");
        let text = fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first, "# yaml-language-server: $schema=./schema.json", "{relative}");
    }
}

#[test]
fn the_papers_experiments_are_on_its_map() {
    let map = read("docs/paper-map.md");
    let mut n = 0;
    for folder in ["experiments/paper", "experiments/paper-small"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let link = format!("(../{folder}/{name})");
            assert!(map.contains(&link), "docs/paper-map.md does not link {folder}/{name}");
            n += 1;
        }
    }
    assert!(n > 10, "only {n} experiments found");
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        read("CHANGELOG.md").contains(&format!("## [{version}]")),
        "CHANGELOG.md has no entry for {version}"
    );
    assert!(
        read("CITATION.cff").contains(&format!("version: {version}\n")),
        "CITATION.cff is not at {version}"
    );
}

#[test]
fn the_readme_fits_its_reader() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 200, "README.md has {} lines", readme.lines().count());
    let sentence = readme.split("\n\n").nth(1).unwrap().split_whitespace().count();
    assert!(sentence <= 25, "the first sentence has {sentence} words");
}

/// The first table that users see is one that was computed.
#[test]
fn the_readme_shows_the_quickstarts_table() {
    let table = |text: &str| -> Vec<String> {
        let from_head = text.lines().skip_while(|line| !line.starts_with("| model | method |"));
        from_head.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
    };
    let computed = table(&read("results/reference/quickstart/matched.md"));
    assert!(computed.len() >= 9, "{computed:?}");
    assert_eq!(table(&read("README.md")), computed);
}
