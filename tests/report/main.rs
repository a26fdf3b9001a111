//! Reports as users see them: the files of a results folder.

mod examples;
mod templates;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tacq_sweep::report::{Coordinates, NO_METHOD, Refresh, ReportError, ReportSettings, Row, Sources, write};
use tacq_sweep::store::Store;

/// Three methods on one model, the last with two seeds.
pub fn rows() -> Vec<Row> {
    let model = Coordinates {
        experiment: "demo".into(),
        model: "SmolLM2".into(),
        method: NO_METHOD.into(),
        bits: 16,
        ..Coordinates::default()
    };
    let row = Row {
        trial: model.clone(),
        task: "wikitext2".into(),
        metric: "perplexity".into(),
        value: 32.883_701_324_462_89,
        n_examples: 24,
        stage_key_evaluate: "e0".into(),
        ..Row::default()
    };
    let quantized = Coordinates {
        condition_on: Some("wikitext2".into()),
        method: "gptq".into(),
        bits: 3,
        ..model.clone()
    };
    let gptq = Row {
        trial: quantized.clone(),
        avg_bits: Some(3.0),
        bytes_on_disk: Some(39_813_120),
        value: 170.6,
        stage_key_evaluate: "e1".into(),
        stage_key_checkpoint: Some("c1".into()),
        ..row.clone()
    };
    let variant = Row {
        trial: Coordinates {
            variant: Some("minmax damp=0.1".into()),
            group_size: Some(128),
            ..quantized.clone()
        },
        value: 150.25,
        stage_key_evaluate: "e2".into(),
        stage_key_checkpoint: Some("c2".into()),
        ..gptq.clone()
    };
    let tacq = |seed: u32, value: f64| Row {
        trial: Coordinates {
            method: "tacq".into(),
            saliency: Some("tacq".into()),
            outlier_ratio: Some("0.0035".into()),
            ..quantized.clone()
        },
        avg_bits: Some(3.1015),
        bytes_on_disk: Some(41_000_000),
        value,
        low: Some(value - 0.5),
        high: Some(value + 0.5),
        seed: Some(seed),
        stage_key_evaluate: format!("e3{seed}"),
        stage_key_checkpoint: Some(format!("c3{seed}")),
        ..row.clone()
    };
    vec![row.clone(), gptq, variant, tacq(0, 61.0), tacq(1, 63.0)]
}

/// The experiment `demo` with these templates.
pub fn settings(templates: &[&str]) -> ReportSettings {
    let templates = templates.iter().map(|name| (*name).to_owned()).collect();
    ReportSettings { experiment: "demo".into(), templates }
}

/// Writes the report of results whose examples are not there.
pub fn report(dir: &Path, rows: &[Row], settings: &ReportSettings) -> Result<Vec<PathBuf>, ReportError> {
    let (store, homes) = (Store::new(&dir.join("no store")), BTreeMap::new());
    let sources = Sources { store: &store, homes: &homes };
    write(dir, rows, settings, sources, Refresh::Always).map(|written| written.paths)
}

/// A file of the report.
pub fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const HEADER: &str = "experiment,model,condition_on,method,saliency,bits,group_size,outlier_ratio,variant,avg_bits,\
    bytes_on_disk,task,metric,value,low,high,n_examples,seed,stage_key_evaluate,stage_key_checkpoint\n";

#[test]
fn results_have_one_line_per_result_in_table_order() {
    let dir = tempfile::tempdir().unwrap();
    let written = report(dir.path(), &rows(), &settings(&["table.md.j2"])).unwrap();
    let names: Vec<_> = written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(
        names,
        ["results.csv", "results.parquet", "summary.csv", "differences.csv", "groups.csv", "table.md"]
    );
    let expected = HEADER.to_owned()
        + "\
demo,SmolLM2,,none,,16,,,,,,wikitext2,perplexity,32.88370132446289,,,24,,e0,
demo,SmolLM2,wikitext2,gptq,,3,,,,3.0,39813120,wikitext2,perplexity,170.6,,,24,,e1,c1
demo,SmolLM2,wikitext2,gptq,,3,128,,minmax damp=0.1,3.0,39813120,wikitext2,perplexity,150.25,,,24,,e2,c2
demo,SmolLM2,wikitext2,tacq,tacq,3,,0.0035,,3.1015,41000000,wikitext2,perplexity,61.0,60.5,61.5,24,0,e30,c30
demo,SmolLM2,wikitext2,tacq,tacq,3,,0.0035,,3.1015,41000000,wikitext2,perplexity,63.0,62.5,63.5,24,1,e31,c31
";
    assert_eq!(read(dir.path(), "results.csv"), expected);
}

#[test]
fn summary_has_mean_and_sample_deviation_over_seeds() {
    let dir = tempfile::tempdir().unwrap();
    report(dir.path(), &rows(), &settings(&[])).unwrap();
    let expected = "\
experiment,model,condition_on,method,saliency,bits,group_size,outlier_ratio,variant,avg_bits,bytes_on_disk,task,metric,n,mean,sd,low,high
demo,SmolLM2,,none,,16,,,,,,wikitext2,perplexity,1,32.88370132446289,,,
demo,SmolLM2,wikitext2,gptq,,3,,,,3.0,39813120,wikitext2,perplexity,1,170.6,,,
demo,SmolLM2,wikitext2,gptq,,3,128,,minmax damp=0.1,3.0,39813120,wikitext2,perplexity,1,150.25,,,
demo,SmolLM2,wikitext2,tacq,tacq,3,,0.0035,,3.1015,41000000,wikitext2,perplexity,2,62.0,1.4142135623730951,,
";
    assert_eq!(read(dir.path(), "summary.csv"), expected);
}

#[test]
fn parquet_holds_the_same_table() {
    use polars::prelude::{AnyValue, ParquetReader, SerReader};
    let dir = tempfile::tempdir().unwrap();
    report(dir.path(), &rows(), &settings(&[])).unwrap();
    let file = std::fs::File::open(dir.path().join("results.parquet")).unwrap();
    let frame = ParquetReader::new(file).finish().unwrap();
    let names = frame.get_column_names().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    assert_eq!(names + "\n", HEADER);
    assert_eq!(frame.height(), 5);
    let at = |column: &str, row: usize| frame.column(column).unwrap().get(row).unwrap().into_static();
    assert_eq!(at("value", 4), AnyValue::Float64(63.0));
    assert_eq!(at("outlier_ratio", 4), AnyValue::Float64(0.0035));
    assert_eq!(at("outlier_ratio", 0), AnyValue::Null);
    assert_eq!(at("bytes_on_disk", 1), AnyValue::UInt64(39_813_120));
}

#[test]
fn bytes_do_not_depend_on_the_order_of_rows() {
    let (forward, backward) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut reversed = rows();
    reversed.reverse();
    report(forward.path(), &rows(), &settings(&["table.md.j2"])).unwrap();
    report(backward.path(), &reversed, &settings(&["table.md.j2"])).unwrap();
    for name in ["results.csv", "results.parquet", "summary.csv", "table.md"] {
        let bytes = |dir: &Path| std::fs::read(dir.join(name)).unwrap();
        assert_eq!(bytes(forward.path()), bytes(backward.path()), "{name}");
    }
}

#[test]
fn unchanged_files_are_left_alone() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let inode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().ino();
    report(dir.path(), &rows(), &settings(&[])).unwrap();
    let (csv, summary) = (inode("results.csv"), inode("summary.csv"));
    report(dir.path(), &rows(), &settings(&[])).unwrap();
    assert_eq!((inode("results.csv"), inode("summary.csv")), (csv, summary));
    let mut changed = rows();
    changed[0].value += 1.0;
    report(dir.path(), &changed, &settings(&[])).unwrap();
    assert!(read(dir.path(), "results.csv").contains("33.88370132446289"));
    let names = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 5, "no temporary file is left");
}

#[test]
fn no_results_are_a_header_and_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    report(dir.path(), &[], &settings(&["table.md.j2"])).unwrap();
    assert_eq!(read(dir.path(), "results.csv"), HEADER);
    assert_eq!(read(dir.path(), "table.md"), "# demo\n\nNo results yet.\n");
}

#[test]
fn values_that_are_no_numbers_stay_visible() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = rows();
    rows[1].value = f64::NAN;
    rows[3].value = f64::INFINITY;
    report(dir.path(), &rows, &settings(&["table.md.j2"])).unwrap();
    let csv = read(dir.path(), "results.csv");
    assert!(csv.contains("perplexity,NaN,,,24,,e1"), "{csv}");
    assert!(csv.contains("perplexity,inf,60.5,61.5,24,0,e30"), "{csv}");
    let table = read(dir.path(), "table.md");
    assert!(table.contains("| NaN |"), "{table}");
    assert!(table.contains("| ∞ ± NaN (n=2) |"), "{table}");
}

#[test]
fn text_with_separators_survives() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = rows();
    rows[0].trial.model = "a,\"b\"|c".into();
    report(dir.path(), &rows, &settings(&["table.md.j2"])).unwrap();
    assert!(read(dir.path(), "results.csv").contains("demo,\"a,\"\"b\"\"|c\",,none"));
    assert!(read(dir.path(), "table.md").contains("| a,\"b\"\\|c |"));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = report(&file.join("results"), &rows(), &settings(&[])).unwrap_err().to_string();
    assert!(error.contains("file/results"), "{error}");
}

/// As many rows as the largest sweep that must feel instant.
#[test]
#[ignore = "measures time: cargo test --release --test report -- --ignored --nocapture"]
fn ten_thousand_rows_are_quick() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..10_000)
        .map(|i| Row {
            trial: Coordinates {
                model: format!("model-{}", i / 1000),
                bits: i / 5 % 8 + 1,
                outlier_ratio: Some(format!("0.0{}", i / 40 % 25 + 1)),
                ..rows()[3].trial.clone()
            },
            seed: Some(i % 5),
            value: f64::from(i).sqrt(),
            stage_key_evaluate: format!("{i:064}"),
            stage_key_checkpoint: Some(format!("{i:064}")),
            ..rows()[3].clone()
        })
        .collect();
    let start = std::time::Instant::now();
    report(dir.path(), &rows, &settings(&["table.md.j2"])).unwrap();
    let first = start.elapsed();
    let start = std::time::Instant::now();
    report(dir.path(), &rows, &settings(&["table.md.j2"])).unwrap();
    let again = start.elapsed();
    println!("10,000 rows: {first:?} at first, {again:?} unchanged");
    assert!(again.as_secs_f64() < 0.3, "{again:?}");
}
