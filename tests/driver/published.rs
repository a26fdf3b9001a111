//! What comes with the program: built-in data sets as they are published, and the experiment files.

use crate::data_files::{ALL_TASKS, Data, evaluation, labels, stage};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tacq_protocol::StageKind;
use tacq_protocol::task::{TaskParams, TextFormat};
use tacq_sweep::plan::Stage;

#[test]
fn published_data_has_keys_without_a_look_at_the_network() {
    let data = Data::new();
    // The hub of these tests is offline and its cache is empty.
    let plan = data.plan_published(&ALL_TASKS.replace("spider, ", ""));
    assert_eq!(plan.problems, []);
    let params =
        |label: &str| serde_json::to_value(&stage(&plan, StageKind::Download, label).params).unwrap();
    let mmlu = params("[mmlu,test]");
    assert_eq!(mmlu["params"]["repo"], "cais/mmlu");
    assert_eq!(mmlu["params"]["commit"], "c30699e8356da336a370243923dbaf21066bb9fe");
    assert_eq!(mmlu["params"]["files"], serde_json::json!(["all/test-00000-of-00001.parquet"]));
    // Exemplars in YAML are told from JSON lines by their name.
    assert_eq!(params("[gsm8k,few_shot]")["params"]["name"], "few_shot.yaml");
    assert_eq!(params("[ptb,test]")["params"]["name"], "text");
    let format = |task: &str| match &evaluation(&plan, &format!("on {task}]")).task {
        TaskParams::Perplexity { format, .. } => *format,
        other => panic!("{other:?}"),
    };
    let formats = ["wikitext2", "c4", "ptb"].map(format);
    assert_eq!(formats, [TextFormat::Wikitext, TextFormat::C4, TextFormat::Ptb]);
    assert!(plan.sinks().iter().all(|&id| plan.stages[id].key().is_some()));
}

#[test]
fn spider_without_files_is_one_problem_at_its_name() {
    let data = Data::new();
    let plan = data.plan_published("sweep: {condition_on: [spider, c4], bits: 3, methods: gptq}\n");
    assert_eq!(plan.problems.len(), 1, "{:#?}", plan.problems);
    let problem = &plan.problems[0];
    assert_eq!((problem.position.line, problem.position.column), (3, 24));
    let expected = "data set spider cannot be downloaded by a program; get it with its databases from https://yale-lily.github.io/spider and give its folder: --set datasets.spider.path=FOLDER";
    assert_eq!(problem.message, expected);
}

/// Every experiment that comes with the program plans, and has the number of stages that its header states.
#[test]
fn shipped_experiments_have_the_stages_that_they_state() {
    let data = Data::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut pending = vec![folder.clone()];
    let mut n = 0;
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).expect("the folder is in the repository");
            pending.extend(entries.map(|entry| entry.expect("readable").path()));
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let stated = text.lines().find_map(|line| line.strip_prefix("# Stages: ")?.strip_suffix('.'));
        let Some(stated) = stated else { continue };
        let name = path.strip_prefix(&folder).expect("it is in it").to_str().expect("UTF-8");
        let plan = data.plan_shipped(name);
        assert_eq!(plan.problems, [], "{}", path.display());
        if std::env::var_os("UPDATE_SPECS").is_some() {
            let found = format!("# Stages: {}.\n", plan.stages.len());
            fs::write(&path, text.replace(&format!("# Stages: {stated}.\n"), &found)).expect("writable");
            n += 1;
            continue;
        }
        let stated: usize = stated.parse().expect("a number");
        assert_eq!(plan.stages.len(), stated, "{}: {:#?}", path.display(), labels(&plan));
        n += 1;
    }
    assert_eq!(n, 25);
}

/// Keys and labels of a shipped experiment's stages.
fn keys(data: &Data, name: &str) -> Vec<(String, String)> {
    let plan = data.plan_shipped(name);
    let key = |stage: &Stage| stage.key().expect("sources are there").to_string();
    plan.stages.iter().map(|stage| (key(stage), stage.label.clone())).collect()
}

/// The experiment of all tables is what the single ones are, each stage once.
#[test]
fn the_papers_experiments_share_their_stages_with_the_one_of_all() {
    let data = Data::new();
    let singles = ["1", "2", "3", "4", "5", "11", "12", "13"].map(|n| format!("paper/table{n}.yaml"));
    let singles = singles.into_iter().chain(["3", "4"].map(|n| format!("paper/figure{n}.yaml")));
    let of_singles: Vec<(String, String)> = singles.flat_map(|name| keys(&data, &name)).collect();
    let distinct: BTreeMap<&String, &String> = of_singles.iter().map(|(key, label)| (key, label)).collect();
    let all = keys(&data, "paper/all.yaml");
    let in_all: BTreeMap<&String, &String> = all.iter().map(|(key, label)| (key, label)).collect();
    let without = |a: &BTreeMap<&String, &String>, b: &BTreeMap<&String, &String>| -> Vec<String> {
        a.iter().filter(|(key, _)| !b.contains_key(*key)).map(|(_, label)| (*label).clone()).collect()
    };
    assert_eq!(without(&distinct, &in_all), [""; 0], "not in all.yaml");
    assert_eq!(without(&in_all, &distinct), [""; 0], "in all.yaml alone");
    assert_eq!(all.len(), distinct.len(), "of {}", of_singles.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/paper/all.yaml");
    let text = fs::read_to_string(path).expect("readable").replace("\n#", "");
    let said = format!("the single files have {} stages in all", of_singles.len());
    assert!(text.contains(&said), "the header does not say: {said}");
}
