//! Every file in `valid/` expands to the trials beside it, every file in `invalid/` gets exactly the diagnostics
//! beside it. `UPDATE_SPECS=1 cargo test --test specs` rewrites what is expected; review the difference.
//!
//! Lines `# set: KEY=VALUE` in a file are given as `--set KEY=VALUE`.

mod damaged;
mod order;
mod schema;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use tacq_protocol::StageKind;
use tacq_sweep::spec::dataset::Content;
use tacq_sweep::spec::{self, Experiment};

/// Files of one folder of tests/specs, in order.
fn files(folder: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .expect("the folder is in the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() > 3, "{} holds the test files", dir.display());
    files
}

fn load(file: &Path) -> Result<Experiment, String> {
    let bytes = std::fs::read(file).expect("readable");
    let text = String::from_utf8_lossy(&bytes);
    let sets: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("# set: ")).map(str::to_owned).collect();
    spec::load(file, &sets).map_err(|error| {
        let dir = format!("{}/", file.parent().expect("in a folder").display());
        format!("{error}\n").replace(&dir, "")
    })
}

/// Compares with the text beside the file; returns what differs.
fn compare(file: &Path, found: &str) -> Option<String> {
    let expected_file = file.with_extension("txt");
    if std::env::var_os("UPDATE_SPECS").is_some() {
        std::fs::write(&expected_file, found).expect("writable");
        return None;
    }
    let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
    (expected != found)
        .then(|| format!("{}\n--- expected\n{expected}--- found\n{found}", expected_file.display()))
}

/// The trials, then every setting that they do not show.
fn describe(experiment: &Experiment) -> String {
    let mut text = String::new();
    for trial in spec::trials(experiment) {
        writeln!(text, "{} -> {}", trial.label(), trial.tasks.join(", ")).expect("text");
    }
    let Experiment { name, models, datasets, tasks, calibration, report, run, .. } = experiment;
    for model in models {
        writeln!(text, "model {}", model.location).expect("text");
    }
    for (name, dataset) in datasets {
        let content = match &dataset.content {
            Content::Text { layout, format: None } => format!("{layout:?} text"),
            Content::Text { format: Some(format), .. } => format!("{format:?} text"),
            Content::Custom(templates) => format!("{templates:?}"),
            content => format!("{content:?}"),
        };
        let parts = dataset.parts.iter().map(|(part, source)| format!("{} {}", part.key(), source.location));
        let parts = parts.collect::<Vec<_>>().join(", ");
        let parts = if parts.is_empty() { String::new() } else { format!(", {parts}") };
        let shots = dataset.few_shot;
        writeln!(text, "dataset {name}: {content}, {shots} shots{parts}").expect("text");
    }
    for (name, task) in tasks {
        writeln!(text, "task {name} on {}: {:?}", task.dataset, task.measure).expect("text");
    }
    for stage in &experiment.stages {
        let (name, needs) = (&stage.name, stage.needs.iter().map(|need| need.name()).collect::<Vec<_>>());
        let (files, kept) = (&stage.files, (&stage.outputs, &stage.metrics));
        let told = (&stage.env, &stage.pass, &stage.image);
        writeln!(text, "stage {name}: each {:?}, {:?} on {needs:?}", stage.each, stage.command)
            .expect("text");
        writeln!(text, "  files {files:?}, told {told:?}, keeps {kept:?}").expect("text");
    }
    let spec::experiment::Calibration { n_samples, seq_len, sampling } = calibration;
    writeln!(text, "calibration: {n_samples} x {seq_len}, {sampling:?}").expect("text");
    writeln!(text, "report {name}: {} in {}", report.templates.join(", "), report.dir.display())
        .expect("text");
    let devices = run.devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let threads = run.threads.map_or("all".to_owned(), |n| n.to_string());
    let (store, secs) = (run.store.display(), run.checkpoint_secs);
    let (dtype, gradients) = (run.dtype, run.gradient_dtype);
    let batch = run.fixed_batch().map_or("any".to_owned(), |n| n.to_string());
    writeln!(
        text,
        "run: {devices}, {dtype}, gradients {gradients}, batch {batch}, store {store}, threads {threads}, checkpoint {secs} s"
    )
    .expect("text");
    if let Some(slurm) = &run.slurm {
        writeln!(text, "slurm: {} jobs", slurm.max_jobs.map_or("any".to_owned(), |n| n.to_string()))
            .expect("text");
        for kind in [StageKind::Quantize, StageKind::Gradients, StageKind::Evaluate] {
            writeln!(text, "{kind}: {:?}", slurm.of(kind)).expect("text");
        }
    }
    text
}

#[test]
fn valid_files_expand_to_their_trials() {
    let differences: Vec<String> = files("valid")
        .iter()
        .filter_map(|file| {
            let experiment = load(file).unwrap_or_else(|error| panic!("{}:\n{error}", file.display()));
            compare(file, &describe(&experiment))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn invalid_files_get_their_diagnostics() {
    let differences: Vec<String> = files("invalid")
        .iter()
        .filter_map(|file| match load(file) {
            Ok(_) => Some(format!("{} is accepted", file.display())),
            Err(error) => compare(file, &error),
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_missing_file_is_a_sentence() {
    let error = spec::load(Path::new("no/such/experiment.yaml"), &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("the experiment file cannot be used: cannot read no/such/experiment.yaml: "),
        "{error}"
    );
}

#[test]
fn shipped_experiments_are_valid() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut pending = vec![dir.clone()];
    let mut n = 0;
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).expect("the folder is in the repository");
            pending.extend(entries.map(|entry| entry.expect("a readable folder").path()));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let experiment = spec::load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert!(spec::trials(&experiment).len() > 1, "{}", path.display());
            let text = std::fs::read_to_string(&path).expect("readable");
            let up = if path.parent() == Some(&*dir) { "." } else { ".." };
            assert!(
                text.starts_with(&format!("# yaml-language-server: $schema={up}/schema.json\n")),
                "{}: the first line names the schema",
                path.display()
            );
            n += 1;
        }
    }
    assert!(n > 0);
}

/// The experiments shown in a document: its YAML blocks that have a sweep.
fn shown_in(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(&path).expect("readable");
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.filter(|block| block.contains("\nsweep:")).map(str::to_owned).collect()
}

#[test]
fn experiments_in_documents_are_valid() {
    for (document, n_trials) in [("README.md", vec![11..]), ("docs/experiment-file.md", vec![11.., 7..])] {
        let shown = shown_in(document);
        assert_eq!(shown.len(), n_trials.len(), "{document}");
        for (shown, n_trials) in shown.iter().zip(n_trials) {
            let experiment =
                spec::parse_str(document.as_ref(), shown, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert!(n_trials.contains(&spec::trials(&experiment).len()), "{document}");
        }
    }
}

#[test]
fn the_documented_experiment_shows_every_key() {
    let shown = &shown_in("docs/experiment-file.md")[0];
    let schema = spec::schema();
    for key in schema["properties"].as_object().expect("an object").keys() {
        assert!(shown.lines().any(|line| line.starts_with(&format!("{key}:"))), "{key}");
    }
    let whole =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/experiment-file.md"));
    let whole = whole.expect("readable");
    for (name, definition) in schema["$defs"].as_object().expect("an object") {
        for key in definition["properties"].as_object().into_iter().flatten().map(|(key, _)| key) {
            let named = whole.contains(&format!("{key}:")) || whole.contains(&format!("`{key}`"));
            assert!(named, "{name}.{key}");
        }
    }
}
