//! Prompts of the published data sets, where they are at hand.
//!
//! `TACQ_DATA` names a folder with `mmlu/{dev,test}/*.csv`, `gsm8k/{gsm8k_train,gsm8k_test,few_shot_cot}.jsonl`,
//! `spider/{dev,tables,train_spider}.json` (the latter may be called `train_spider.compact.json`) and
//! `wikitext2/wiki.test.{raw,hf_joined.txt}`; `TACQ_SMOLLM2` a folder of SmolLM2-Instruct. `TACQ_PROMPTS` names a file
//! with what the reference's own classes make of that data: JSON lines with `task`, `train`, `prompt` and `text`, all
//! evaluation examples of a task before all training ones, GSM8K's exemplars in file order. `TACQ_CHATS` names a file
//! with what transformers makes of chats: JSON lines with `config` (a tokenizer_config.json), `messages` and `prompt`.
//! A test whose data is not there says so and passes.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tacq_protocol::DataFile;
use tacq_protocol::task::{ExampleParams, MmluSplit, TextFormat};
use tacq_protocol::units::FewShot;
use tacq_tasks::chat::{ChatTemplate, Message, Role};
use tacq_tasks::{ExampleSet, Inputs, Purpose, Text, load, text};

/// The folder or file that a variable names, or nothing and a word about it.
fn named(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).map(PathBuf::from);
    if value.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    value
}

fn file(path: PathBuf) -> DataFile {
    DataFile { name: path.file_name().unwrap().to_str().unwrap().to_owned(), path }
}

fn folder(path: &Path) -> Vec<DataFile> {
    let mut files: Vec<DataFile> =
        std::fs::read_dir(path).unwrap().map(|entry| file(entry.unwrap().path())).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn few_shot(n: u64) -> FewShot {
    FewShot::new(n).unwrap()
}

fn mmlu(data: &Path, split: MmluSplit, purpose: Purpose) -> ExampleSet {
    let (dataset, dev) = (folder(&data.join("mmlu/test")), folder(&data.join("mmlu/dev")));
    let inputs = Inputs { dataset: &dataset, few_shot: &dev, tables: &[], model: data };
    load(&ExampleParams::Mmlu { split, few_shot: few_shot(5) }, purpose, &[], &inputs).unwrap()
}

fn gsm8k(data: &Path, purpose: Purpose) -> ExampleSet {
    let split = if purpose == Purpose::Calibration { "train" } else { "test" };
    let dataset = [file(data.join(format!("gsm8k/gsm8k_{split}.jsonl")))];
    let exemplars = [file(data.join("gsm8k/few_shot_cot.jsonl"))];
    let inputs = Inputs { dataset: &dataset, few_shot: &exemplars, tables: &[], model: data };
    load(&ExampleParams::Gsm8k { few_shot: few_shot(8) }, purpose, &[], &inputs).unwrap()
}

fn spider(data: &Path, model: &Path, purpose: Purpose) -> ExampleSet {
    let names: &[&str] = match purpose {
        Purpose::Calibration => &["train_spider.json", "train_spider.compact.json"],
        Purpose::Evaluation => &["dev.json"],
    };
    let path = names.iter().map(|name| data.join("spider").join(name)).find(|path| path.exists()).unwrap();
    let (dataset, tables) = ([file(path)], [file(data.join("spider/tables.json"))]);
    let inputs = Inputs { dataset: &dataset, few_shot: &[], tables: &tables, model };
    load(&ExampleParams::Spider, purpose, &[], &inputs).unwrap()
}

#[test]
fn the_data_sets_have_as_many_examples_as_the_paper_s() {
    let Some(data) = named("TACQ_DATA") else { return };
    let splits = [
        (MmluSplit::All, 10_513, 3529),
        (MmluSplit::Humanities, 3524, 1181),
        (MmluSplit::SocialSciences, 2302, 775),
        (MmluSplit::Stem, 2260, 758),
    ];
    for (split, calibration, evaluation) in splits {
        assert_eq!(mmlu(&data, split, Purpose::Calibration).examples.len(), calibration, "{split:?}");
        assert_eq!(mmlu(&data, split, Purpose::Evaluation).examples.len(), evaluation, "{split:?}");
    }
    assert_eq!(gsm8k(&data, Purpose::Calibration).examples.len(), 7473);
    assert_eq!(gsm8k(&data, Purpose::Evaluation).examples.len(), 1319);
    let Some(model) = named("TACQ_SMOLLM2") else { return };
    assert_eq!(spider(&data, &model, Purpose::Calibration).examples.len(), 7000);
    let dev = spider(&data, &model, Purpose::Evaluation);
    assert_eq!(dev.examples.len(), 1034);
    // The template writes <|im_start|>, which is also this model's token for the beginning of a text.
    assert!(!dev.add_special_tokens);
}

/// A line of `TACQ_PROMPTS`.
#[derive(Deserialize)]
struct Reference {
    task: String,
    train: bool,
    prompt: String,
    text: String,
}

#[test]
fn prompts_are_byte_for_byte_those_of_the_reference() {
    let (Some(data), Some(model)) = (named("TACQ_DATA"), named("TACQ_SMOLLM2")) else { return };
    let Some(prompts) = named("TACQ_PROMPTS") else { return };
    let mut expected: BTreeMap<(String, bool), Vec<Reference>> = BTreeMap::new();
    for line in std::fs::read_to_string(prompts).unwrap().lines() {
        let reference: Reference = serde_json::from_str(line).unwrap();
        expected.entry((reference.task.clone(), reference.train)).or_default().push(reference);
    }
    for ((task, train), references) in &expected {
        let purpose = if *train { Purpose::Calibration } else { Purpose::Evaluation };
        let set = match task.as_str() {
            "mmlu" => mmlu(&data, MmluSplit::All, purpose),
            "gsm8k" => gsm8k(&data, purpose),
            _ => spider(&data, &model, purpose),
        };
        assert_eq!(set.examples.len(), references.len(), "{task}");
        for (example, reference) in set.examples.iter().zip(references) {
            assert_eq!(example.prompt, reference.prompt, "{task}: {}", example.id);
            assert_eq!(example.calibration_text(), reference.text, "{task}: {}", example.id);
        }
        eprintln!("{task}, {purpose:?}: {} prompts are the reference's", references.len());
    }
    assert_eq!(expected.len(), 6, "three tasks, two purposes each");
}

#[test]
fn wikitext_is_the_string_that_gptq_tokenizes() {
    let Some(data) = named("TACQ_DATA") else { return };
    let raw = [file(data.join("wikitext2/wiki.test.raw"))];
    let joined = std::fs::read_to_string(data.join("wikitext2/wiki.test.hf_joined.txt")).unwrap();
    let Text::Joined(text) = text::read(&raw, TextFormat::Wikitext).unwrap() else { panic!("one string") };
    assert!(text == joined, "{} bytes, {} expected", text.len(), joined.len());
}

/// A line of `TACQ_CHATS`.
#[derive(Deserialize)]
struct Chat {
    name: String,
    config: serde_json::Value,
    messages: Vec<Said>,
    prompt: String,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

#[test]
fn chats_of_published_models_are_those_of_transformers() {
    let Some(chats) = named("TACQ_CHATS") else { return };
    let mut checked = 0;
    for line in std::fs::read_to_string(chats).unwrap().lines() {
        let chat: Chat = serde_json::from_str(line).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer_config.json"), chat.config.to_string()).unwrap();
        let said = chat.messages.iter().map(|said| {
            let role = match said.role.as_str() {
                "system" => Role::System,
                "user" => Role::User,
                _ => Role::Assistant,
            };
            Message::new(role, &said.content)
        });
        let messages: Vec<Message> = said.collect();
        let template = ChatTemplate::open(folder.path()).unwrap();
        assert_eq!(template.prompt(&messages).unwrap(), chat.prompt, "{}", chat.name);
        checked += 1;
    }
    eprintln!("{checked} chats are as transformers renders them");
    assert!(checked > 0);
}
