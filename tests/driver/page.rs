//! `report --format html`: the page carries what the tables say, and asks for nothing.

use crate::sandbox::{EXPERIMENT, Sandbox};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tacq_protocol::StageKind;
use tacq_protocol::artifact::{WeightCounts, WeightHistogram, WeightHistograms, file};
use tacq_sweep::plan::Stage;
use tacq_sweep::store::Manifest;

fn page(sandbox: &Sandbox) -> String {
    let told = sandbox.sweep(&["report", "exp.yaml", "--format", "html"]).expect(0);
    let path =
        told.stdout.lines().find(|line| line.ends_with("report.html")).expect("it says where the page is");
    fs::read_to_string(sandbox.root.join(path)).unwrap()
}

/// A column of a table with a heading.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let place = reader.headers().unwrap().iter().position(|heading| heading == name).unwrap();
    reader.records().map(|record| record.unwrap()[place].to_owned()).collect()
}

/// The data of figures, by name.
fn tables(page: &str) -> BTreeMap<String, String> {
    let (_, after) = page.split_once("<script type=\"application/json\" id=\"tables\">").unwrap();
    let (json, _) = after.split_once("</script>").unwrap();
    let tables: Vec<BTreeMap<String, String>> = serde_json::from_str(json).unwrap();
    tables.into_iter().map(|table| (table["name"].clone(), table["csv"].clone())).collect()
}

fn summary(sandbox: &Sandbox) -> String {
    let summary = sandbox.tables().into_iter().find(|(name, _)| name == "summary.csv").unwrap().1;
    String::from_utf8(summary.to_vec()).unwrap()
}

#[test]
fn every_score_on_the_page_is_that_of_the_tables() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let (page, summary) = (page(&sandbox), summary(&sandbox));
    let tables = tables(&page);
    let numbers = |texts: Vec<String>| -> Vec<Option<f64>> {
        texts.iter().map(|text| (!text.is_empty()).then(|| text.parse().unwrap())).collect()
    };
    for name in ["avg_bits", "bytes_on_disk", "n", "mean", "sd", "low", "high"] {
        assert_eq!(numbers(column(&tables["scores"], name)), numbers(column(&summary, name)), "{name}");
    }
    let shown: BTreeSet<String> = page
        .split("<data value=\"")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0.parse::<f64>().unwrap().to_string())
        .collect();
    let means = column(&summary, "mean");
    let means: BTreeSet<String> = means.iter().map(|mean| mean.parse::<f64>().unwrap().to_string()).collect();
    assert_eq!(shown, means, "each mean stands in the table, and nothing else does");
    assert_eq!(column(&tables["stages"], "label").len(), crate::sandbox::STAGES);
    assert!(column(&tables["stages"], "state").iter().all(|state| state == "stored"));
}

/// Where the checkpoints of a sweep that has run have their histograms, by label.
fn weight_files(sandbox: &Sandbox) -> BTreeMap<String, PathBuf> {
    let (plan, store) = (sandbox.plan(EXPERIMENT), sandbox.store());
    let is_checkpoint = |kind| matches!(kind, StageKind::Quantize | StageKind::MixedQuantize);
    let file =
        |stage: &Stage| store.artifact_dir(stage.kind(), stage.key().unwrap()).join(file::WEIGHT_HISTOGRAMS);
    let stages = plan.stages.iter().filter(|stage| is_checkpoint(stage.kind()));
    stages.map(|stage| (stage.label.clone(), file(stage))).collect()
}

#[test]
fn histograms_on_the_page_are_those_of_the_checkpoints() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let files = weight_files(&sandbox);
    assert!(files.len() > 1);
    let tables = tables(&page(&sandbox));
    let lines = |table: &str, checkpoint: &str, columns: &[&str]| -> Vec<Vec<String>> {
        let of = column(&tables[table], "checkpoint");
        let columns: Vec<Vec<String>> = columns.iter().map(|name| column(&tables[table], name)).collect();
        let line = |i: usize| columns.iter().map(|column| column[i].clone()).collect();
        (0..of.len()).filter(|&i| of[i] == checkpoint).map(line).collect()
    };
    for (label, path) in files {
        let WeightHistograms { tensors } = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let count = |nth: usize, of: fn(&WeightHistogram) -> &WeightCounts| -> u64 {
            let slots =
                |counts: &WeightCounts| [&[counts.below], &counts.counts[..], &[counts.above]].concat();
            tensors.iter().map(|tensor| slots(of(tensor))[nth]).sum()
        };
        let all: u64 = tensors.iter().map(|tensor| tensor.original.total()).sum();
        let found = lines("weights", &label, &["centre", "before", "after"]);
        assert_eq!(found.len(), WeightHistogram::BINS + 2, "{label}");
        for (nth, line) in found.iter().enumerate() {
            // Eight bins are a root mean square, and the edge of 0 is that of the bin with number 33.
            let is_bin = (1..=WeightHistogram::BINS).contains(&nth);
            assert_eq!(line[0].parse().ok(), is_bin.then(|| (nth as f64 - 32.5) / 8.0), "{label}, {nth}");
            let counted = |text: &str| text.parse::<f64>().unwrap() * all as f64;
            for (text, expected) in
                [(&line[1], count(nth, |of| &of.original)), (&line[2], count(nth, |of| &of.quantized))]
            {
                assert!((counted(text) - expected as f64).abs() < 1e-9, "{label}, {nth}");
            }
        }
        let errors = lines("errors", &label, &["layer", "module", "weights", "relative_error"]);
        assert_eq!(errors.len(), tensors.len(), "{label}");
        for ((line, place), tensor) in errors.iter().zip([["0", "q_proj"], ["1", "up_proj"]]).zip(&tensors) {
            assert_eq!((&line[..2], &line[2][..]), (&place.map(str::to_owned)[..], "500"), "{label}");
            assert_eq!(line[3].parse::<f64>().unwrap(), tensor.relative_error, "{label}");
        }
    }
}

/// Makes an artifact one of an engine that wrote no histograms.
fn forget(path: &Path) {
    fs::remove_file(path).unwrap();
    let at = path.with_file_name(file::MANIFEST);
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(&at).unwrap()).unwrap();
    manifest.files.retain(|of| of.path != file::WEIGHT_HISTOGRAMS);
    fs::write(&at, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

#[test]
fn checkpoints_without_histograms_are_left_out() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let files = weight_files(&sandbox);
    let (label, path) = files.first_key_value().unwrap();
    forget(path);
    let some = page(&sandbox);
    let shown: BTreeSet<String> = column(&tables(&some)["weights"], "checkpoint").into_iter().collect();
    assert_eq!(shown, files.keys().filter(|other| *other != label).cloned().collect());
    assert!(some.contains("<section id=\"weights\""));
    files.values().skip(1).for_each(|path| forget(path));
    let none = page(&sandbox);
    assert_eq!((&tables(&none)["weights"][..], &tables(&none)["errors"][..]), ("", ""));
    assert!(!none.contains("href=\"#weights\""));
}

#[test]
fn the_page_asks_for_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let page = page(&sandbox);
    for wanted in ["src=", "href=\"http", "@import", "url("] {
        let own = page.split("<script>").next().unwrap();
        assert!(!own.contains(wanted), "{wanted} before the libraries");
    }
    assert_eq!(page.matches("<script").count(), 4, "two libraries, the data, and what draws it");
    assert!(page.contains("default-src 'none'"), "a browser refuses what it should ask for all the same");
    assert_eq!(page.matches("<!--slot:").count(), 0);
}

#[test]
fn a_page_is_the_same_bytes_each_time() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert_eq!(page(&sandbox), page(&sandbox));
}
