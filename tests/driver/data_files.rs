//! Data files in the published layouts, and plans of experiments that read them.

use crate::sandbox::offline_hub;
use std::fs;
use std::path::{Path, PathBuf};
use tacq_protocol::task::EvaluateParams;
use tacq_protocol::{StageKind, StageParams};
use tacq_sweep::plan::{self, Plan, Stage};
use tacq_sweep::spec;
use tacq_sweep::store::Store;
use tacq_testkit::{Size, random_llama};

/// Conditioned on nothing, evaluated on all that there is.
pub const ALL_TASKS: &str = "\
sweep: {bits: 3, methods: rtn}
evaluate: [mmlu, mmlu_stem, mmlu_humanities, mmlu_social_sciences, gsm8k, spider, wikitext2, c4, ptb]
baseline: false
";

/// Files that look like the published data sets, in name only, each with contents of its own.
const FILES: [&str; 22] = [
    "mmlu/dev/anatomy_dev.csv",
    "mmlu/dev/virology_dev.csv",
    "mmlu/test/anatomy_test.csv",
    "mmlu/test/virology_test.csv",
    "gsm8k/gsm8k_train.jsonl",
    "gsm8k/gsm8k_test.jsonl",
    "gsm8k/few_shot_cot.jsonl",
    "spider/train_spider.json",
    "spider/tables.json",
    "spider/database/pets_1/pets_1.sqlite",
    "spider/database/wta_1/wta_1.sqlite",
    "spider/database/not_asked_for/not_asked_for.sqlite",
    "wikitext2/wiki.train.raw",
    "wikitext2/wiki.test.raw",
    "c4/en/c4-train.00000-of-01024.json.gz",
    "c4/en/c4-train.00001-of-01024.json.gz",
    "c4/en/c4-validation.00000-of-00008.json.gz",
    "ptb/ptb.train.txt",
    "ptb/ptb.test.txt",
    "shots.jsonl",
    "text.test.txt",
    "own.test.txt",
];

/// Models of the hub that experiments of the paper name.
const MODELS: [&str; 4] = [
    "meta-llama/Meta-Llama-3-8B-Instruct",
    "meta-llama/Meta-Llama-3-8B",
    "Qwen/Qwen2.5-7B-Instruct",
    "Qwen/Qwen2.5-32B-Instruct",
];

const QUESTIONS: &str = r#"[{"db_id": "wta_1", "question": "?"}, {"db_id": "pets_1"}]"#;

pub struct Data {
    // Removed when dropped.
    _dir: tempfile::TempDir,
    pub root: PathBuf,
}

impl Data {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().canonicalize().expect("it exists");
        random_llama(&root.join("model"), &Size::TINY, 1).expect("a model");
        let data = Self { _dir: dir, root };
        for file in FILES {
            data.write(file, file);
        }
        data.write("spider/dev.json", QUESTIONS);
        data
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    /// `--set` values that put these files in the place of what would be downloaded.
    pub fn sets(&self) -> Vec<String> {
        let mut sets: Vec<String> = ["mmlu", "gsm8k", "spider", "wikitext2", "c4", "ptb"]
            .iter()
            .map(|name| format!("datasets.{name}.path={}", self.root.join(name).display()))
            .collect();
        sets.push(format!("model={}", self.root.join("model").display()));
        sets
    }

    /// The plan of an experiment whose data lies in these files.
    pub fn plan_of(&self, path: &Path, text: &str) -> Plan {
        self.plan_with(path, text, &self.sets())
    }

    /// The plan of an experiment file that comes with the program: each model of the hub is a folder here, its own one.
    pub fn plan_shipped(&self, name: &str) -> Plan {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(name);
        let mut text = fs::read_to_string(&path).expect("readable");
        for (seed, model) in (1..).zip(MODELS) {
            let folder = self.root.join(model.replace('/', "--"));
            if !folder.exists() {
                random_llama(&folder, &Size::TINY, seed).expect("a model");
            }
            text = text.replace(&format!("model: {model}\n"), &format!("model: {}\n", folder.display()));
        }
        let sets: Vec<String> = self.sets().into_iter().filter(|set| !set.starts_with("model=")).collect();
        let sets = if text.contains(&self.root.display().to_string()) { sets } else { self.sets() };
        self.plan_with(&path, &text, &sets)
    }

    /// The plan of an experiment whose data lies where it is published.
    pub fn plan_published(&self, lines: &str) -> Plan {
        let text = format!("name: x\nmodel: {}\n{lines}", self.root.join("model").display());
        self.plan_with("x.yaml".as_ref(), &text, &[])
    }

    pub fn plan_with(&self, path: &Path, text: &str, sets: &[String]) -> Plan {
        let experiment = spec::parse_str(path, text, sets).unwrap_or_else(|e| panic!("{e}"));
        let store = Store::new(&self.root.join(".tacq"));
        plan::build(&experiment, &mut store.source_digests(), &offline_hub(&self.root))
    }

    /// The plan of an experiment with these lines, conditioned and evaluated as they say.
    pub fn plan(&self, lines: &str) -> Plan {
        let plan = self.try_plan(lines);
        assert_eq!(plan.problems, []);
        plan
    }

    pub fn try_plan(&self, lines: &str) -> Plan {
        self.plan_of("x.yaml".as_ref(), &format!("name: x\nmodel: x\n{lines}"))
    }
}

/// The one stage of a kind whose label contains a text.
#[track_caller]
pub fn stage<'a>(plan: &'a Plan, kind: StageKind, label: &str) -> &'a Stage {
    let mut found = plan.stages.iter().filter(|stage| stage.kind() == kind && stage.label.contains(label));
    let stage = found.next().unwrap_or_else(|| panic!("no {kind} stage {label} in {:#?}", labels(plan)));
    assert!(found.next().is_none(), "{label} is ambiguous in {:#?}", labels(plan));
    stage
}

pub fn labels(plan: &Plan) -> Vec<&str> {
    plan.stages.iter().map(|stage| stage.label.as_str()).collect()
}

/// The names of a source's files in its key.
pub fn files<'a>(plan: &'a Plan, label: &str) -> Vec<&'a str> {
    let source = stage(plan, StageKind::Download, label).source.as_ref().expect("local files");
    source.files.iter().map(|file| file.name.as_str()).collect()
}

#[track_caller]
pub fn evaluation<'a>(plan: &'a Plan, label: &str) -> &'a EvaluateParams {
    match &stage(plan, StageKind::Evaluate, label).params {
        StageParams::Evaluate(params) => params,
        other => panic!("{other:?}"),
    }
}
