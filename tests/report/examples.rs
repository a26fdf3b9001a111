//! What is made of the examples behind the scores: paired differences and scores of parts.

use super::{read, rows, settings};
use std::fs;
use std::path::Path;
use tacq_protocol::StageKind;
use tacq_protocol::artifact::{Record, file};
use tacq_sweep::report::{Refresh, Row, Sources, Written, write};
use tacq_sweep::store::Store;

/// Key of the n-th evaluation.
fn key(n: usize) -> String {
    format!("{n:064x}")
}

/// Answers of an evaluation, `1` right and `0` wrong, alternating between two subjects, into a store.
fn answer(store: &Store, n: usize, answers: &str, change: impl Fn(&mut Record)) {
    let record = |(i, c): (usize, char)| {
        let group = if i % 2 == 0 { "law" } else { "art" };
        let mut record = Record {
            index: i as u64,
            id: format!("{group}/{i}"),
            group: group.into(),
            prompt_hash: format!("{i:016x}"),
            correct: Some(c == '1'),
            value: f64::from(u8::from(c == '1')),
            ..Record::default()
        };
        change(&mut record);
        record
    };
    let records: Vec<Record> = answers.chars().enumerate().map(record).collect();
    let dir = store.artifact_dir(StageKind::Evaluate, &key(n).parse().unwrap());
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(file::RECORDS), tacq_tasks::records::write(&records).unwrap()).unwrap();
}

/// The 16-bit model, GPTQ, and TaCQ with two seeds, on a task of right and wrong.
fn scored(answers: [&str; 4]) -> Vec<Row> {
    let mut rows = rows();
    rows.remove(2);
    for (n, (row, answers)) in rows.iter_mut().zip(answers).enumerate() {
        row.task = "mmlu".into();
        row.metric = "accuracy".into();
        row.value = answers.matches('1').count() as f64 / answers.len() as f64;
        row.n_examples = answers.len() as u64;
        row.stage_key_evaluate = key(n);
    }
    rows
}

const ANSWERS: [&str; 4] = ["1111111111", "1000010000", "1101110000", "1100110010"];

fn report(dir: &Path, rows: &[Row], store: &Store, refresh: Refresh) -> Written {
    // No data set that is conditioned on is of this name.
    let homes = rows.iter().map(|row| (row.task.clone(), "other".to_owned())).collect();
    let sources = Sources { store, homes: &homes };
    write(dir, rows, &settings(&["table.md.j2"]), sources, refresh).unwrap()
}

/// A report's folder and the store of its examples.
fn sandbox() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(&dir.path().join("store"));
    for (n, answers) in ANSWERS.iter().enumerate() {
        answer(&store, n, answers, |_| {});
    }
    (dir, store)
}

#[test]
fn differences_are_paired_and_seeds_pooled() {
    let (dir, store) = sandbox();
    let out = dir.path().join("out");
    let written = report(&out, &scored(ANSWERS), &store, Refresh::Always);
    assert_eq!(written.problems, Vec::<String>::new());
    let csv = read(&out, "differences.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 4, "{csv}");
    // 8 losses, no win: 2 / 2^8.
    let against_baseline =
        "demo,SmolLM2,wikitext2,gptq,,3,,,,,none,,16,,,,mmlu,accuracy,baseline,1,10,difference,-0.8,";
    assert!(lines[1].starts_with(against_baseline), "{}", lines[1]);
    assert!(lines[1].ends_with(",0.0078125,mcnemar,"), "{}", lines[1]);
    // Means over seeds, example by example: 1, ½, 1, ½ and zeros; all of one sign in 2 of 2^4 ways.
    let with_gptq = lines[1..].iter().find(|line| line.contains(",method,")).unwrap();
    assert!(
        with_gptq
            .contains(",tacq,tacq,3,,0.0035,,wikitext2,gptq,,3,,,,mmlu,accuracy,method,2,10,difference,0.3,")
    );
    assert!(with_gptq.ends_with(",0.125,sign_flip,"), "{with_gptq}");
    let table = read(&out, "table.md");
    assert!(
        table.contains("| SmolLM2 | mmlu accuracy | wikitext2 | 3 | gptq | 16 bit | 1 | 10 | −80.0 ["),
        "{table}"
    );
    assert!(table.contains("mmlu accuracy (%) |"), "{table}");
    assert!(table.contains("| 20.0 |") && table.contains("| 50.0 ± 0.0 (n=2) |"), "{table}");
}

#[test]
fn parts_of_a_data_set_have_scores() {
    let (dir, store) = sandbox();
    report(dir.path(), &scored(ANSWERS), &store, Refresh::Always);
    let csv = read(dir.path(), "groups.csv");
    let expected = "\
experiment,model,condition_on,method,saliency,bits,group_size,outlier_ratio,variant,task,metric,seed,group,n,mean
demo,SmolLM2,,none,,16,,,,mmlu,accuracy,,art,5,1.0
demo,SmolLM2,,none,,16,,,,mmlu,accuracy,,law,5,1.0
demo,SmolLM2,wikitext2,gptq,,3,,,,mmlu,accuracy,,art,5,0.2
demo,SmolLM2,wikitext2,gptq,,3,,,,mmlu,accuracy,,law,5,0.2
demo,SmolLM2,wikitext2,tacq,tacq,3,,0.0035,,mmlu,accuracy,0,art,5,0.6
demo,SmolLM2,wikitext2,tacq,tacq,3,,0.0035,,mmlu,accuracy,0,law,5,0.4
demo,SmolLM2,wikitext2,tacq,tacq,3,,0.0035,,mmlu,accuracy,1,art,5,0.4
demo,SmolLM2,wikitext2,tacq,tacq,3,,0.0035,,mmlu,accuracy,1,law,5,0.6
";
    assert_eq!(csv, expected);
}

#[test]
fn bytes_do_not_depend_on_the_order_of_rows() {
    let (dir, store) = sandbox();
    let (forward, backward) = (dir.path().join("forward"), dir.path().join("backward"));
    let mut reversed = scored(ANSWERS);
    reversed.reverse();
    report(&forward, &scored(ANSWERS), &store, Refresh::Always);
    report(&backward, &reversed, &store, Refresh::Always);
    for name in ["differences.csv", "groups.csv", "table.md"] {
        assert_eq!(read(&forward, name), read(&backward, name), "{name}");
    }
}

#[test]
fn what_is_right_already_is_not_made_again() {
    let (dir, store) = sandbox();
    let out = dir.path().join("out");
    let first = report(&out, &scored(ANSWERS), &store, Refresh::IfResultsChange);
    let tables = || ["differences.csv", "groups.csv", "table.md"].map(|name| read(&out, name));
    let before = tables();
    assert_eq!(first.differences.len(), 3);
    // Without a store nothing could be compared: what is there must have been kept.
    fs::remove_dir_all(store.root()).unwrap();
    let second = report(&out, &scored(ANSWERS), &store, Refresh::IfResultsChange);
    assert_eq!((second.differences, tables()), (first.differences, before.clone()));
    let mut changed = scored(ANSWERS);
    changed[0].n_examples += 1;
    let third = report(&out, &changed, &store, Refresh::IfResultsChange);
    assert_eq!(third.differences, []);
    assert_eq!(
        third.problems,
        ["4 of 4 evaluations have no records of their examples: an older engine made them"]
    );
    let (dir, store) = sandbox();
    for lost in ["differences.csv", "groups.csv"] {
        report(dir.path(), &scored(ANSWERS), &store, Refresh::Always);
        fs::remove_file(dir.path().join(lost)).unwrap();
        report(dir.path(), &scored(ANSWERS), &store, Refresh::IfResultsChange);
        assert!(dir.path().join(lost).exists(), "{lost}");
    }
}

#[test]
fn other_prompts_are_not_compared_and_it_is_said() {
    let (dir, store) = sandbox();
    answer(&store, 1, ANSWERS[1], |record| {
        if record.index == 4 {
            record.prompt_hash = "another".into();
        }
    });
    report(dir.path(), &scored(ANSWERS), &store, Refresh::Always);
    let csv = read(dir.path(), "differences.csv");
    assert_eq!(csv.matches("the prompts of example 4 (law/4) differ").count(), 2, "{csv}");
    let table = read(dir.path(), "table.md");
    assert!(table.contains("Not compared: 2; `note` in differences.csv says why."), "{table}");
}

#[test]
fn records_that_contradict_their_score_are_not_used() {
    let (dir, store) = sandbox();
    answer(&store, 1, "1111111111", |_| {});
    let written = report(dir.path(), &scored(ANSWERS), &store, Refresh::Always);
    assert_eq!(written.differences.len(), 1, "only TaCQ with the 16-bit model");
    let problem = &written.problems[0];
    assert!(problem.contains("its records make 1 where its accuracy is 0.2"), "{problem}");
}

#[test]
fn perplexities_are_quotients() {
    let (dir, store) = sandbox();
    let mut rows = scored(ANSWERS);
    rows.truncate(2);
    for (n, row) in rows.iter_mut().enumerate() {
        let loss = move |index: u64| 1.0 + index as f64 + n as f64 * 0.5;
        answer(&store, n, "1111", |record| {
            record.correct = None;
            record.value = loss(record.index);
        });
        row.metric = "perplexity".into();
        row.value = ((0..4).map(loss).sum::<f64>() / 4.0).exp();
        (row.low, row.high) = (Some(row.value / 2.0), Some(row.value * 2.0));
    }
    report(dir.path(), &rows, &store, Refresh::Always);
    let table = read(dir.path(), "table.md");
    // exp(½); the same in every draw, and one of 2^4 ways, either way round.
    assert!(table.contains("| gptq | 16 bit | 1 | 4 | × 1.649 [1.649, 1.649] | 0.1250 |"), "{table}");
    assert!(table.contains("| 12.182 [6.091, 24.365] |"), "{table}");
    assert!(table.contains("Brackets hold 95 % intervals"), "{table}");
}
