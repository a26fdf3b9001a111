//! What is committed is what the generators make, nothing that is tested is trained on, and training sees the prompts
//! that the tasks write.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tacq_protocol::DataFile;
use tacq_protocol::task::{ExampleParams, MmluSplit};
use tacq_protocol::units::FewShot;
use tacq_quickstart::assets::{Data, SEED};
use tacq_quickstart::corpus::{Corpus, chat};
use tacq_quickstart::heldout::{Finder, normalized};
use tacq_quickstart::{spider, tokenizer};
use tacq_tasks::{Example, Inputs, Purpose};
use tokenizers::Tokenizer;

static DATA: LazyLock<Data> = LazyLock::new(Data::new);

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/quickstart")
}

/// All files below a folder with their contents.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut pending) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn committed_data_is_what_the_generators_make() {
    let made = tempfile::tempdir().unwrap();
    DATA.write(made.path()).unwrap();
    // Over what is there, as in a clone.
    DATA.write(made.path()).unwrap();
    let tokenizer = tokenizer::train(&Corpus::new(&DATA, SEED)).unwrap();
    tokenizer::write(&tokenizer, &made.path().join("model")).unwrap();
    let committed = files(&assets());
    for (name, bytes) in files(made.path()) {
        let there = committed.get(&name).unwrap_or_else(|| panic!("{} is not committed", name.display()));
        assert!(
            *there == bytes,
            "{} differs from what is made; run: cargo run -p tacq-quickstart --example write_data assets/quickstart, then train anew",
            name.display()
        );
    }
    let size: usize = committed.values().map(Vec::len).sum();
    assert!(size <= 20 << 20, "{size} bytes are committed");
}

/// What is tested: questions, problems, queries, and every story.
fn tested() -> Vec<String> {
    let questions = DATA.questions.iter().flat_map(|(_, test)| test).map(|question| &question.question);
    let problems = DATA.problems[1].iter().map(|problem| &problem.question);
    let queries = DATA.queries[1].iter().map(|query| &query.question);
    let all = questions.chain(problems).chain(queries).chain(&DATA.stories[1]);
    all.map(|text| normalized(text)).collect()
}

#[test]
fn nothing_that_is_tested_is_trained_on() {
    let tested = tested();
    let finder = Finder::new(&tested);
    let find = |text: &str| finder.find(&normalized(text)).next();
    // The files that calibration reads, less MMLU's test file, whose first part is calibrated on and never trained on.
    for name in
        ["gsm8k/train.jsonl", "gsm8k/few_shot_cot.jsonl", "spider/train_spider.json", "text/train.txt"]
    {
        let text = fs::read_to_string(assets().join(name)).unwrap();
        assert_eq!(find(&text), None, "{name}");
    }
    for (subject, (dev, _)) in DATA.subjects.iter().zip(&DATA.questions) {
        for question in dev {
            assert_eq!(find(&question.question), None, "{}", subject.name);
        }
    }
    let corpus = Corpus::new(&DATA, SEED);
    for index in 0..20_000 {
        assert_eq!(find(&corpus.document(index).text()), None, "document {index}");
    }
    // The finder finds what is there.
    let planted = format!("So: {}!", DATA.problems[1][0].question.to_uppercase());
    assert!(find(&planted).is_some());
}

fn loaded(params: &ExampleParams, dataset: &str, few_shot: &str, tables: &str) -> Vec<Example> {
    let list = |name: &str| -> Vec<DataFile> {
        let path = assets().join(name);
        let paths = if path.is_dir() {
            let mut paths: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            paths
        } else {
            vec![path]
        };
        let named = |path: PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().replace("_test", "").replace("_dev", "");
            DataFile { name, path }
        };
        paths.into_iter().map(named).collect()
    };
    let (dataset, few_shot, tables) = (list(dataset), list(few_shot), list(tables));
    let model = assets().join("model");
    let inputs = Inputs { dataset: &dataset, few_shot: &few_shot, tables: &tables, model: &model };
    tacq_tasks::load(params, Purpose::Evaluation, &[], &inputs).unwrap().examples
}

#[test]
fn training_sees_the_prompts_that_the_tasks_write() {
    let five = FewShot::new(5).unwrap();
    let examples = loaded(
        &ExampleParams::Mmlu { split: MmluSplit::All, few_shot: five },
        "mmlu/test",
        "mmlu/dev",
        "spider/tables.json",
    );
    let (subject, (dev, test)) = (&DATA.subjects[0], &DATA.questions[0]);
    let shots: String = dev.iter().map(|q| format!("{} {}\n\n", q.layout(), q.letter())).collect();
    let head =
        format!("The following are multiple choice questions (with answers) about  {}.\n\n", subject.name);
    let first = &test[test.len() * 3 / 4];
    assert_eq!(examples[0].prompt, format!("{head}{shots}{}", first.layout()));
    assert_eq!(examples[0].completion, format!(" {}", first.letter()));
    assert_eq!(examples.len(), 240);

    let eight = FewShot::new(8).unwrap();
    let params = ExampleParams::Gsm8k { few_shot: eight };
    let examples = loaded(&params, "gsm8k/test.jsonl", "gsm8k/few_shot_cot.jsonl", "spider/tables.json");
    let shots: String = DATA.problems[2]
        .iter()
        .map(|p| format!("Q: {}\nA: {} The answer is {}.\n\n", p.question, p.chain(), p.answer))
        .collect();
    let problem = &DATA.problems[1][0];
    assert_eq!(examples[0].prompt, format!("{shots}Q: {}\nA:", problem.question));
    assert_eq!(
        examples[0].completion,
        format!(" {} The answer is {}.\n\n", problem.published(), problem.answer)
    );

    let examples = loaded(&ExampleParams::Spider, "spider/dev.json", "mmlu/dev", "spider/tables.json");
    for (example, spider::Question { db_id, question, query }) in examples.iter().zip(&DATA.queries[1]) {
        let database = DATA.databases.iter().find(|database| *database.id == **db_id).unwrap();
        assert_eq!(example.prompt, format!("{}{}", tokenizer::BEGIN, chat(question, database)));
        assert_eq!(example.gold, *query);
    }
}

#[test]
fn documents_in_pieces_have_the_tokens_of_the_whole() {
    let tokenizer = Tokenizer::from_file(assets().join("model/tokenizer.json")).unwrap();
    let corpus = Corpus::new(&DATA, SEED);
    let ids = |text: &str| tokenizer.encode(text, false).unwrap().get_ids().to_vec();
    for document in (0..300).map(|index| corpus.document(index)) {
        let pieces: Vec<u32> = document.pieces.iter().flat_map(|piece| ids(&piece.text)).collect();
        assert_eq!(pieces, ids(&document.text()), "{}", document.text());
    }
}
