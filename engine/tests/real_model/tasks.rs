//! Tasks with answers on the real data: predictions of the reference, and batches that change nothing. Needs, beside the
//! other variables, `TACQ_DATA`: a folder with `mmlu/{dev,test}` (CSV), `gsm8k/gsm8k_test.jsonl` and
//! `gsm8k/few_shot_cot.jsonl`, and `spider/{dev,tables}.json` with `spider/database`.

use super::*;
use std::collections::BTreeMap;
use tacq_protocol::artifact::Record;
use tacq_protocol::task::{Decoding, ExampleParams, MmluSplit};
use tacq_protocol::units::{FewShot, MaxNewTokens, NExamples, Seed};

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("TACQ_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: TACQ_DATA is not set");
    }
    folder
}

impl Setting {
    fn records(&self, name: &str, task: TaskParams, data: &[(&str, &Path)]) -> Vec<Record> {
        let params = EvaluateParams { task, dtype: DType::F32, batch_size: None };
        let inputs = [&[(role::MODEL, self.model.as_path())], data].concat();
        let output = self.run(name, StageParams::Evaluate(params), &inputs);
        tacq_tasks::records::read(fs::read(output.join(file::RECORDS)).unwrap()).unwrap()
    }

    /// The records of a task with one and with many examples side by side.
    fn with_batches(&mut self, task: &TaskParams, data: &[(&str, &Path)]) -> [Vec<Record>; 2] {
        [1, 32].map(|size| {
            self.batch_size = Some(BatchSize::new(size).unwrap());
            self.records(&format!("batch-{size}"), task.clone(), data)
        })
    }
}

fn mmlu(limit: Option<u64>) -> TaskParams {
    let few_shot = FewShot::new(5).unwrap();
    let examples = ExampleParams::Mmlu { split: MmluSplit::All, few_shot };
    let limit = limit.map(|n| NExamples::new(n).unwrap());
    TaskParams::MultipleChoice { examples, choices: Vec::new(), limit }
}

fn generate(examples: ExampleParams, decoding: Decoding, max_new_tokens: u64, limit: u64) -> TaskParams {
    TaskParams::Generate {
        examples,
        decoding,
        max_new_tokens: MaxNewTokens::new(max_new_tokens).unwrap(),
        answer: None,
        skip_missing_databases: true,
        limit: Some(NExamples::new(limit).unwrap()),
    }
}

#[test]
fn mmlu_letters_are_the_references() {
    let (Some(setting), Some(data)) = (Setting::new(), data()) else { return };
    let expected = setting.expected["mmlu"].as_object().unwrap();
    assert!(!expected.is_empty());
    // Only the subjects that the reference has.
    let folder = tempfile::tempdir().unwrap();
    for split in ["dev", "test"] {
        fs::create_dir(folder.path().join(split)).unwrap();
        for subject in expected.keys() {
            let name = format!("{split}/{subject}_{split}.csv");
            fs::copy(data.join("mmlu").join(&name), folder.path().join(&name)).unwrap();
        }
    }
    let (dev, test) = (folder.path().join("dev"), folder.path().join("test"));
    let records = setting.records("mmlu", mmlu(None), &[(role::DATASET, &test), (role::FEW_SHOT, &dev)]);
    let mut letters: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for record in &records {
        let (predicted, gold) = letters.entry(&record.group).or_default();
        predicted.push_str(&record.prediction);
        gold.push_str(&record.gold);
    }
    for (subject, expected) in expected {
        let (predicted, gold) = &letters[subject.as_str()];
        assert_eq!(gold, expected["gold"].as_str().unwrap(), "{subject}: gold");
        assert_eq!(predicted, expected["pred"].as_str().unwrap(), "{subject}");
    }
}

#[test]
fn batches_change_no_choice() {
    let (Some(mut setting), Some(data)) = (Setting::new(), data()) else { return };
    let (dev, test) = (data.join("mmlu/dev"), data.join("mmlu/test"));
    let [one, many] =
        setting.with_batches(&mmlu(Some(40)), &[(role::DATASET, &test), (role::FEW_SHOT, &dev)]);
    assert_eq!(one.len(), 40);
    assert_eq!(one, many);
}

#[test]
fn batches_change_no_generated_text() {
    let (Some(mut setting), Some(data)) = (Setting::new(), data()) else { return };
    let (problems, shots) = (data.join("gsm8k/gsm8k_test.jsonl"), data.join("gsm8k/few_shot_cot.jsonl"));
    let sampled = Decoding::Sample {
        temperature: "0.8".parse().unwrap(),
        top_p: "0.95".parse().unwrap(),
        seed: Seed::new(0).unwrap(),
    };
    for decoding in [Decoding::Greedy, sampled] {
        let gsm8k = ExampleParams::Gsm8k { few_shot: FewShot::new(8).unwrap() };
        let inputs = [(role::DATASET, problems.as_path()), (role::FEW_SHOT, shots.as_path())];
        let [one, many] = setting.with_batches(&generate(gsm8k, decoding, 256, 12), &inputs);
        assert_eq!(one, many);
        assert!(one.iter().any(|record| record.prediction == record.gold), "the model can do some");
    }
}

#[test]
fn batches_change_no_query() {
    let (Some(mut setting), Some(data)) = (Setting::new(), data()) else { return };
    let spider = data.join("spider");
    let [dev, tables, databases] = ["dev.json", "tables.json", "database"].map(|name| spider.join(name));
    let inputs = [
        (role::DATASET, dev.as_path()),
        (role::TABLES, tables.as_path()),
        (role::DATABASES, databases.as_path()),
    ];
    let task = generate(ExampleParams::Spider, Decoding::Greedy, 300, 12);
    let [one, many] = setting.with_batches(&task, &inputs);
    assert_eq!(one, many);
    assert!(one.iter().all(|record| !record.group.is_empty() && !record.output.is_empty()));
}
