use super::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with files of a data set and a model.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> DataFile {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        DataFile { name: name.to_owned(), path }
    }

    /// A chat template that writes `<s>` and says who says what.
    fn chat_model(&self) {
        let template = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}\
                        {% if add_generation_prompt %}[assistant]{% endif %}";
        let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": template});
        self.file("tokenizer_config.json", config.to_string());
    }

    #[track_caller]
    fn load(
        &self,
        params: Value,
        purpose: Purpose,
        choices: &[&str],
        data: [&[DataFile]; 3],
    ) -> Result<ExampleSet, String> {
        let [dataset, few_shot, tables] = data;
        let inputs = Inputs { dataset, few_shot, tables, model: self.0.path() };
        let choices: Vec<String> = choices.iter().map(|c| (*c).to_owned()).collect();
        let root = format!("{}/", self.0.path().display());
        load(&serde_json::from_value(params).unwrap(), purpose, &choices, &inputs)
            .map_err(|e| e.to_string().replace(&root, ""))
    }
}

fn mmlu(split: &str, few_shot: u32) -> Value {
    json!({"kind": "mmlu", "split": split, "few_shot": few_shot})
}

/// Six questions: four for calibration, two for evaluation.
fn six_rows() -> String {
    (0..6).map(|i| format!("Q{i}?,a,None,c,\"d, \"\"{i}\"\"\",{}\n", ["A", "B", "C"][i % 3])).collect()
}

#[test]
fn mmlu_prompts_are_those_of_the_original() {
    let folder = Folder::new();
    let test =
        [folder.file("us_history_test.csv", six_rows()), folder.file("art_test.csv", "Z?,1,2,3,4,D\n")];
    let dev = [
        folder.file("us_history_dev.csv", "D?,w,x,y,z,D\nE?,1,2,3,4,B\n"),
        folder.file("art_dev.csv", "Y?,5,6,7,8,A\n"),
    ];
    let data = [&test[..], &dev, &[]];
    let set = folder.load(mmlu("all", 1), Purpose::Evaluation, &[], data).unwrap();
    assert!(set.add_special_tokens);
    let ids: Vec<&str> = set.examples.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["art/0", "us_history/4", "us_history/5"]);
    let expected = Example {
        id: "us_history/4".into(),
        group: "us_history".into(),
        // As pandas reads it, the word None is a missing value.
        prompt: "The following are multiple choice questions (with answers) about  us history.\n\n\
                 D?\nA. w\nB. x\nC. y\nD. z\nAnswer: D\n\n\
                 Q4?\nA. a\nB. nan\nC. c\nD. d, \"4\"\nAnswer:"
            .into(),
        completion: " B".into(),
        gold: "B".into(),
        choices: [" A", " B", " C", " D"].map(str::to_owned).to_vec(),
    };
    assert_eq!(set.examples[1], expected);
    let set = folder.load(mmlu("all", 0), Purpose::Calibration, &[], data).unwrap();
    let ids: Vec<&str> = set.examples.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["us_history/0", "us_history/1", "us_history/2", "us_history/3"]);
    assert!(
        set.examples[3]
            .calibration_text()
            .ends_with("about  us history.\n\nQ3?\nA. a\nB. nan\nC. c\nD. d, \"3\"\nAnswer: A")
    );
}

#[test]
fn mmlu_says_what_is_missing() {
    let folder = Folder::new();
    let test = [folder.file("art_test.csv", six_rows())];
    let dev = [folder.file("art_dev.csv", "D?,w,x,y,z,D\n")];
    let load = |split, few_shot, dev| {
        folder.load(mmlu(split, few_shot), Purpose::Evaluation, &[], [&test, dev, &[]])
    };
    assert_eq!(
        load("all", 2, &dev).unwrap_err(),
        "MMLU's subject art: 2 solved examples are asked for, art_dev.csv has 1; lower `few_shot` or give more"
    );
    let none = load("all", 1, &[]).unwrap_err();
    assert!(none.contains("1 solved examples are asked for, no file has 0"), "{none}");
    let absent = load("humanities", 0, &dev).unwrap_err();
    assert!(
        absent.starts_with("the data set lacks these subjects of MMLU: formal_logic, high_school_"),
        "{absent}"
    );
}

#[test]
fn gsm8k_prompts_begin_with_the_exemplars_in_order() {
    let folder = Folder::new();
    let test = [folder.file("test.jsonl", r#"{"question": "How many?", "answer": "2+2=4\n#### 4"}"#)];
    let lines = "{\"question\": \"a?\", \"chain\": \"One.\", \"answer\": \"1\"}\n\
                 {\"question\": \"b?\", \"chain\": \"Two.\", \"answer\": \"2\"}\n\
                 {\"question\": \"c?\", \"chain\": \"Three.\", \"answer\": \"3\"}\n";
    let shots = [folder.file("few.jsonl", lines)];
    let params = |few_shot: u32| json!({"kind": "gsm8k", "few_shot": few_shot});
    let set = folder.load(params(2), Purpose::Evaluation, &[], [&test, &shots, &[]]).unwrap();
    let expected = Example {
        id: "0".into(),
        prompt: "Q: a?\nA: One. The answer is 1.\n\nQ: b?\nA: Two. The answer is 2.\n\nQ: How many?\nA:"
            .into(),
        completion: " 2+2=4\n#### 4 The answer is 4.\n\n".into(),
        gold: "4".into(),
        ..Example::default()
    };
    assert_eq!(set, ExampleSet { examples: vec![expected], add_special_tokens: true });
    let error = folder.load(params(4), Purpose::Evaluation, &[], [&test, &shots, &[]]).unwrap_err();
    assert_eq!(
        error,
        "GSM8K: 4 solved examples are asked for, few.jsonl has 3; lower `few_shot` or give more"
    );
}

#[test]
fn spider_prompts_are_chats_about_the_schema() {
    let folder = Folder::new();
    folder.chat_model();
    let dev = [folder.file("dev.json", r#"[{"db_id": "d", "query": " SELECT 1 ", "question": "One?"}]"#)];
    let tables = [folder.file(
        "tables.json",
        r#"[{"db_id": "d", "table_names_original": ["A", "B"],
             "column_names_original": [[-1, "*"], [0, "x"], [0, "y"], [1, "z"]]}]"#,
    )];
    let params = json!({"kind": "spider"});
    let set = folder.load(params.clone(), Purpose::Calibration, &[], [&dev, &[], &tables]).unwrap();
    let expected = Example {
        id: "0".into(),
        group: "d".into(),
        prompt: "<s>[system]### Answer the question by sqlite SQL query only and with no explanation</s>\
                 [user]### Sqlite SQL tables, with their properties:\n# A(x,y);\n# B(z);\n###\n### One?\n### SQL:</s>\
                 [assistant]"
            .into(),
        gold: "SELECT 1".into(),
        ..Example::default()
    };
    assert_eq!(set, ExampleSet { examples: vec![expected], add_special_tokens: false });
    let tables = [folder.file("tables.json", "[]")];
    let error = folder.load(params, Purpose::Evaluation, &[], [&dev, &[], &tables]).unwrap_err();
    assert_eq!(error, "tables.json has no schema of database `d`, which question 0 is about");
}

/// A custom task with chat or without, over capitals.
fn capitals(chat: bool, few_shot: u32) -> Value {
    json!({
        "kind": "custom", "prompt": "{{ country }}'s capital:\n", "completion": " {{ capital|title }}",
        "few_shot": few_shot, "separator": "\n\n", "chat": chat, "system": "Be brief.",
    })
}

const RECORDS: &str =
    "{\"country\": \"Italy\", \"capital\": \"rome\"}\n{\"country\": \"Peru\", \"capital\": \"lima\"}\n";

#[test]
fn custom_prompts_are_rendered_and_joined() {
    let folder = Folder::new();
    let files = [folder.file("capitals.jsonl", RECORDS)];
    let data = [&files[..], &files, &[]];
    let set = folder.load(capitals(false, 1), Purpose::Evaluation, &[], data).unwrap();
    assert!(set.add_special_tokens);
    let expected = Example {
        id: "1".into(),
        prompt: "Italy's capital: Rome\n\nPeru's capital:".into(),
        completion: " Lima".into(),
        gold: "Lima".into(),
        ..Example::default()
    };
    assert_eq!(set.examples[1], expected);
}

#[test]
fn custom_chats_go_through_the_template() {
    let folder = Folder::new();
    folder.chat_model();
    let files = [folder.file("capitals.jsonl", RECORDS)];
    let set = folder.load(capitals(true, 1), Purpose::Evaluation, &[], [&files, &files, &[]]).unwrap();
    assert!(!set.add_special_tokens);
    let shot = "<s>[system]Be brief.</s>[user]Italy's capital:</s>[assistant] Rome</s>";
    assert_eq!(set.examples[1].prompt, format!("{shot}[user]Peru's capital:</s>[assistant]"));
    assert_eq!(set.examples[1].completion, " Lima</s>");
    assert_eq!(set.examples[1].gold, "Lima");
}

#[test]
fn custom_choices_have_exactly_one_answer() {
    let folder = Folder::new();
    let files = [folder.file("capitals.jsonl", RECORDS)];
    let load =
        |choices: &[&str]| folder.load(capitals(false, 0), Purpose::Evaluation, choices, [&files, &[], &[]]);
    let set = load(&[" Lima", " {{ 'Rome' }}"]).unwrap();
    assert_eq!(set.examples[0].choices, [" Lima", " Rome"]);
    let none = load(&[" Lima", " Paris"]).unwrap_err();
    assert_eq!(
        none,
        "capitals.jsonl: line 1: the completion \" Rome\" equals 0 of the choices [\" Lima\", \" Paris\"]; \
         it must equal exactly one"
    );
    let twice = load(&[" Lima", " Rome", " {{ capital|title }}"]).unwrap_err();
    assert!(twice.contains("equals 2 of the choices"), "{twice}");
}

#[test]
fn custom_templates_say_what_they_lack() {
    let folder = Folder::new();
    let files = [folder.file("capitals.jsonl", RECORDS)];
    let with = |field: &str, template: &str, few_shot: u32| {
        let mut params = capitals(false, few_shot);
        params[field] = json!(template);
        folder.load(params, Purpose::Evaluation, &[], [&files, &files, &[]]).unwrap_err()
    };
    let unknown = with("prompt", "{{ city }}?", 0);
    assert!(unknown.starts_with("capitals.jsonl: line 1: template `prompt`: undefined value"), "{unknown}");
    assert!(unknown.ends_with("; the record's fields are: capital, country"), "{unknown}");
    let syntax = with("completion", "{{ capital ", 0);
    assert!(syntax.starts_with("template `completion`: syntax error: "), "{syntax}");
    let few = with("prompt", "x", 3);
    assert_eq!(
        few,
        "this data set: 3 solved examples are asked for, capitals.jsonl has 2; lower `few_shot` or give more"
    );
}
