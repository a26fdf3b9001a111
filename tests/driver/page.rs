//! `report --format html`: the page carries what the tables say, and asks for nothing.

use crate::sandbox::Sandbox;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

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
