//! Data sets and tasks in plans: which files a stage reads, what its key depends on, what is said when one is missing.

use crate::data_files::{ALL_TASKS, Data, evaluation, files, stage};
use std::collections::BTreeMap;
use std::fs;
use tacq_protocol::task::{CalibrationData, Decoding, TaskParams, TextFormat};
use tacq_protocol::units::DType;
use tacq_protocol::{StageKind, StageParams};
use tacq_sweep::plan::{Plan, Stage};

/// What a stage reads, by role: the label of each input.
fn inputs<'a>(plan: &'a Plan, stage: &'a Stage) -> BTreeMap<&'a str, &'a str> {
    stage.inputs.iter().map(|(role, &id)| (&**role, plan.stages[id].label.as_str())).collect()
}

#[test]
fn an_evaluation_reads_the_parts_that_it_needs() {
    let data = Data::new();
    let plan = data.plan(ALL_TASKS);
    let roles = |task: &str| {
        let stage = stage(&plan, StageKind::Evaluate, &format!("on {task}]"));
        let inputs = inputs(&plan, stage);
        let data = inputs.into_iter().filter(|(role, _)| !["model", "checkpoint"].contains(role));
        data.map(|(role, label)| format!("{role}={label}")).collect::<Vec<_>>()
    };
    for task in ["mmlu", "mmlu_stem", "mmlu_humanities", "mmlu_social_sciences"] {
        assert_eq!(roles(task), ["dataset=download[mmlu,test]", "few_shot=download[mmlu,few_shot]"]);
    }
    assert_eq!(roles("gsm8k"), ["dataset=download[gsm8k,test]", "few_shot=download[gsm8k,few_shot]"]);
    let spider = [
        "databases=download[spider,databases]",
        "dataset=download[spider,test]",
        "tables=download[spider,tables]",
    ];
    assert_eq!(roles("spider"), spider);
    for task in ["wikitext2", "c4", "ptb"] {
        assert_eq!(roles(task), [format!("dataset=download[{task},test]")]);
    }
    let downloads = plan.stages.iter().filter(|stage| stage.kind() == StageKind::Download).count();
    assert_eq!(downloads, 1 + 2 + 2 + 3 + 3, "model, mmlu, gsm8k, spider, texts");

    assert_eq!(files(&plan, "[mmlu,test]"), ["anatomy.csv", "virology.csv"]);
    assert_eq!(files(&plan, "[mmlu,few_shot]"), ["anatomy.csv", "virology.csv"]);
    assert_eq!(files(&plan, "[gsm8k,test]"), ["test"]);
    assert_eq!(files(&plan, "[c4,test]"), ["text"]);
    // The questions ask for two of the three databases.
    assert_eq!(files(&plan, "[spider,databases]"), ["pets_1.sqlite", "wta_1.sqlite"]);
}

#[test]
fn a_calibration_reads_examples_or_a_text() {
    let data = Data::new();
    let plan = data.plan(
        "sweep: {condition_on: [mmlu_stem, gsm8k, spider, c4, wikitext2], bits: 3, methods: gptq}\n\
         tasks: {gsm8k: {few_shot: 0}}\nbaseline: false\n",
    );
    let of = |dataset: &str| {
        let stage = stage(&plan, StageKind::Calibrate, dataset);
        let StageParams::Calibrate(params) = &stage.params else { panic!("{stage:?}") };
        let inputs = inputs(&plan, stage);
        let data: Vec<&str> = inputs.into_iter().filter(|(role, _)| *role != "model").map(|i| i.1).collect();
        (params.data.clone(), data)
    };
    let (examples, data) = of("mmlu_stem");
    let text = serde_json::to_string(&examples).unwrap();
    assert_eq!(text, r#"{"from":"examples","examples":{"kind":"mmlu","split":"stem","few_shot":5}}"#);
    assert_eq!(data, ["download[mmlu,test]", "download[mmlu,few_shot]"]);
    // As many solved examples as in the task of its name: here none, so that none are read.
    let (examples, data) = of("gsm8k");
    let text = serde_json::to_string(&examples).unwrap();
    assert_eq!(text, r#"{"from":"examples","examples":{"kind":"gsm8k","few_shot":0}}"#);
    assert_eq!(data, ["download[gsm8k,train]"]);
    let (_, data) = of("spider");
    assert_eq!(data, ["download[spider,train]", "download[spider,tables]"]);
    assert_eq!(of("c4"), (CalibrationData::Text { format: TextFormat::C4 }, vec!["download[c4,train]"]));
    assert_eq!(of("wikitext2").0, CalibrationData::Text { format: TextFormat::Wikitext });
}

#[test]
fn names_of_folders_and_single_files_are_not_in_keys() {
    let data = Data::new();
    let keys = |plan: &Plan| {
        let keys = plan.sinks().into_iter().map(|id| *plan.stages[id].key().expect("all sources are there"));
        keys.collect::<Vec<_>>()
    };
    let before = keys(&data.plan(ALL_TASKS));
    let moved = Data::new();
    for (from, to) in [
        ("gsm8k/gsm8k_test.jsonl", "gsm8k/test.jsonl"),
        ("wikitext2/wiki.test.raw", "wikitext2/wiki.test.tokens"),
        ("spider/database", "spider/databases"),
        ("mmlu/test", "mmlu/data"),
    ] {
        fs::rename(moved.root.join(from), moved.root.join(to)).expect("movable");
    }
    let lines = format!(
        "{ALL_TASKS}datasets:\n  spider: {{databases: {root}/spider/databases}}\n  mmlu: {{test: {root}/mmlu/data}}\n",
        root = moved.root.display()
    );
    assert_eq!(keys(&moved.plan(&lines)), before);
    moved.write("mmlu/data/anatomy_test.csv", "other");
    assert_ne!(keys(&moved.plan(&lines)), before);
}

#[test]
fn another_train_file_leaves_evaluations_of_the_model_alone() {
    let data = Data::new();
    let lines = "sweep: {condition_on: gsm8k, bits: 3, methods: [rtn, gptq]}\n";
    let keys = |plan: &Plan| -> BTreeMap<String, String> {
        let evaluations = plan.stages.iter().filter(|stage| stage.kind() == StageKind::Evaluate);
        evaluations.map(|s| (s.label.clone(), s.key().expect("a key").to_string())).collect()
    };
    let before = keys(&data.plan(lines));
    data.write("gsm8k/gsm8k_train.jsonl", "other");
    let after = keys(&data.plan(lines));
    let changed: Vec<&String> = before.keys().filter(|label| before[*label] != after[*label]).collect();
    assert_eq!(changed, ["evaluate[model,gsm8k,gptq,3-bit,on gsm8k]"]);
}

#[test]
fn only_sampled_answers_are_repeated_by_seed() {
    let data = Data::new();
    let plan = data.plan(
        "sweep: {bits: 3, methods: rtn, seed: [0, 1]}\n\
         tasks: {greedy: {dataset: gsm8k, decoding: greedy}, cool: {dataset: gsm8k, decoding: {temperature: 0.5}}}\n\
         evaluate: [gsm8k, greedy, cool, wikitext2]\n",
    );
    let trials: Vec<String> = plan
        .trials
        .iter()
        .map(|planned| format!("{}: {}", planned.trial.label(), planned.trial.tasks.join(", ")))
        .collect();
    let expected = [
        "model/16-bit: greedy, wikitext2",
        "model/16-bit/seed 0: gsm8k, cool",
        "model/16-bit/seed 1: gsm8k, cool",
        "model/rtn/3-bit: greedy, wikitext2",
        "model/rtn/3-bit/seed 0: gsm8k, cool",
        "model/rtn/3-bit/seed 1: gsm8k, cool",
    ];
    assert_eq!(trials, expected);
    let quantized = plan.stages.iter().filter(|stage| stage.kind() == StageKind::Quantize).count();
    assert_eq!(quantized, 1, "the weights do not depend on the seed");
    let decoding = |label: &str| match &evaluation(&plan, label).task {
        TaskParams::Generate { decoding, .. } => *decoding,
        other => panic!("{other:?}"),
    };
    assert_eq!(decoding("rtn,3-bit,on greedy]"), Decoding::Greedy);
    match decoding("seed 1,rtn,3-bit,on cool]") {
        Decoding::Sample { temperature, top_p, seed } => {
            let values = (temperature.to_string(), top_p.to_string(), seed.get());
            assert_eq!(values, ("0.5".to_owned(), "0.95".to_owned(), 1));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn batches_are_in_keys_where_they_can_change_results() {
    let data = Data::new();
    let batch = |run: &str| {
        let plan =
            data.plan(&format!("sweep: {{bits: 3, methods: rtn}}\nevaluate: ptb\nbaseline: false\n{run}\n"));
        evaluation(&plan, "on ptb]").batch_size.map(|n| n.get())
    };
    assert_eq!(batch(""), None);
    assert_eq!(batch("run: {batch_size: 4}"), None);
    assert_eq!(batch("run: {dtype: bf16}"), Some(256));
    assert_eq!(batch("run: {dtype: bf16, batch_size: 4}"), Some(4));
}

#[test]
fn gradients_may_have_a_number_format_of_their_own() {
    let data = Data::new();
    let plan = data.plan(
        "sweep: {condition_on: ptb, bits: 3, methods: {tacq: {outlier_ratio: 0.01}}}\n\
         run: {dtype: bf16, gradient_dtype: f32}\n",
    );
    match &stage(&plan, StageKind::Gradients, "").params {
        StageParams::Gradients(params) => assert_eq!(params.dtype, DType::F32),
        other => panic!("{other:?}"),
    }
    assert_eq!(evaluation(&plan, "16-bit,on ptb]").dtype, DType::Bf16);
}

#[test]
fn missing_databases_are_a_problem_unless_their_questions_are_left_out() {
    let data = Data::new();
    let lines = "sweep: {bits: 3, methods: rtn}\nevaluate: spider\nbaseline: false\n";
    let whole = data.plan(lines);
    fs::remove_dir_all(data.root.join("spider/database/wta_1")).expect("removable");
    let plan = data.try_plan(lines);
    let messages: Vec<&str> = plan.problems.iter().map(|problem| problem.message.as_str()).collect();
    let expected = "the databases of data set spider lack wta_1; add them, or leave their questions out: --set tasks.spider.skip_missing_databases=true";
    assert_eq!(messages, [expected]);
    assert!(stage(&plan, StageKind::Evaluate, "on spider]").key().is_none());

    let plan = data.plan(&format!("{lines}tasks: {{spider: {{skip_missing_databases: true}}}}\n"));
    assert_eq!(files(&plan, "[spider,databases]"), ["pets_1.sqlite"]);
    let task = &evaluation(&plan, "on spider]").task;
    assert!(matches!(task, TaskParams::Generate { skip_missing_databases: true, .. }), "{task:?}");
    let key = |plan: &Plan| *stage(plan, StageKind::Evaluate, "on spider]").key().expect("a key");
    assert_ne!(key(&plan), key(&whole));
}

#[test]
fn a_missing_part_is_one_sentence() {
    let data = Data::new();
    let told = |dataset: &str, part: &str, remove: &str| {
        fs::remove_file(data.root.join(remove)).expect("removable");
        let lines = format!("sweep: {{condition_on: {dataset}, bits: 3, methods: gptq}}\n");
        let plan = data.try_plan(&lines);
        assert_eq!(plan.problems.len(), 1, "{:#?}", plan.problems);
        let message = &plan.problems[0].message;
        let root = format!("{}/", data.root.display());
        assert!(message.contains(&format!("--set datasets.{dataset}.{part}=")), "{message}");
        message.replace(&root, "")
    };
    let gsm8k = told("gsm8k", "few_shot", "gsm8k/few_shot_cot.jsonl");
    let expected = "folder gsm8k of data set gsm8k holds none of few_shot_cot.jsonl, few_shot.jsonl, gsm8k-cot.yaml for its solved examples; --set datasets.gsm8k.few_shot=FILE";
    assert!(gsm8k.starts_with(expected), "{gsm8k}");
    let spider = told("spider", "tables", "spider/tables.json");
    assert!(spider.contains("holds none of tables.json for its database schemas"), "{spider}");
    assert!(spider.ends_with("https://yale-lily.github.io/spider"), "{spider}");
}

#[test]
fn formats_of_texts_follow_data_set_and_file() {
    let data = Data::new();
    let lines = format!(
        "sweep: {{bits: 3, methods: rtn}}\nbaseline: false\nevaluate: [wikitext2, own, lines, forced]\ndatasets:\n  \
         wikitext2: {{test: {root}/text.test.txt}}\n  own: {{test: {root}/own.test.txt}}\n  \
         lines: {{test: {root}/shots.jsonl}}\n  forced: {{test: {root}/shots.jsonl, format: plain}}\n",
        root = data.root.display()
    );
    let plan = data.plan(&lines);
    let format = |task: &str| match &evaluation(&plan, &format!("on {task}]")).task {
        TaskParams::Perplexity { format, .. } => *format,
        other => panic!("{other:?}"),
    };
    assert_eq!(format("wikitext2"), TextFormat::Plain);
    assert_eq!(format("own"), TextFormat::Plain);
    assert_eq!(format("lines"), TextFormat::Jsonl);
    assert_eq!(format("forced"), TextFormat::Plain);
}
