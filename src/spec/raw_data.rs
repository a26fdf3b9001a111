//! What may be written about data sets, tasks and which are evaluated; see [`super::raw`].

use super::node::{Entry, Node, Place, Value};
use super::read::{Decode, Field, List, Reader, Spanned, record};
use super::scalar::{FilePath, Name};
use super::templates::{
    AnyText, HubName, Message, Pattern, Sha256, StopText, TaskType, TextTemplate, WebAddress,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use tacq_protocol::task::TextFormat;
use tacq_protocol::units::{FewShot, MaxNewTokens, NExamples, NWindows, SeqLen, Temperature, TopP};

record! {
    /// A text, examples of your own, or where a built-in data set lies.
    Dataset is "a mapping with the keys path, train, test and others" {
        /// Folder that holds all parts under their published names.
        path: Spanned<FilePath>,
        /// `org/name[@revision]` of a data set of the Hugging Face hub that holds them, instead of path.
        hub: Spanned<HubName>,
        /// File to calibrate on, instead of the one in path: a path, or a mapping with url and sha256.
        train: Spanned<DataSource>,
        /// File to evaluate on; instead of the one in path. For MMLU a folder or a table.
        test: Spanned<DataSource>,
        /// File of solved examples that prompts begin with: your own, GSM8K's exemplars, MMLU's dev split.
        few_shot: Spanned<DataSource>,
        /// Spider: the file of the database schemas, tables.json.
        tables: Spanned<DataSource>,
        /// Spider: the folder of the databases, each as DB_ID/DB_ID.sqlite.
        databases: Spanned<FilePath>,
        /// Texts: how a file becomes one text: plain, wikitext, ptb, c4 or jsonl. Default: by data set and file name.
        format: TextFormat,
        /// Examples: template of the prompt; a record's fields are its variables.
        prompt: TextTemplate,
        /// Examples: template of what follows the prompt, the right answer.
        completion: TextTemplate,
        /// Examples: what stands between solved examples. Default: a blank line.
        separator: AnyText,
        /// Examples: whether prompt and completion are messages in the model's chat template. Default: false.
        chat: bool,
        /// Examples: the system message of a chat.
        system: Message,
    }
}

record! {
    /// What is measured on a data set's test split.
    Task is "a mapping with the keys dataset, type, few_shot and others" {
        /// Data set; by default the one of the task's name.
        dataset: Spanned<Name>,
        /// perplexity, multiple_choice, exact_match or execution_accuracy; only examples of your own need it.
        r#type: Spanned<TaskType>,
        /// Perplexity: tokens a window. Default: calibration.seq_len.
        seq_len: SeqLen,
        /// Perplexity: at most so many windows. Default: all.
        n_windows: NWindows,
        /// Solved examples before each question. Default: 5 for mmlu, 8 for gsm8k.
        few_shot: FewShot,
        /// How many questions are scored, evenly spaced. Default: all.
        limit: NExamples,
        /// Multiple choice: templates of the answers to choose from; the right one equals the completion.
        choices: List<TextTemplate>,
        /// Generated answers: greedy, sampled (temperature 0.8, top_p 0.95), or a mapping with these two keys.
        /// Default: sampled for gsm8k, else greedy.
        decoding: Decoding,
        /// Generated answers: tokens after which generation ends. Default: 256; 300 for spider.
        max_new_tokens: MaxNewTokens,
        /// Exact match: regular expression whose first group (or whole) is the answer; its last match counts.
        extract: Pattern,
        /// Exact match: whether upper and lower case are the same. Default: false.
        ignore_case: bool,
        /// Exact match: texts that end the answer.
        stop: List<StopText>,
        /// Spider: leave out questions whose database is missing. Default: false, a missing database is an error.
        skip_missing_databases: bool,
    }
}

record! {
    /// Sampling with temperature and nucleus.
    Sampled is "a mapping with the keys temperature, top_p" {
        /// What logits are divided by. Default: 0.8.
        temperature: Temperature,
        /// The most likely tokens whose probabilities first reach this sum are drawn from. Default: 0.95.
        top_p: TopP,
    }
}

record! {
    /// A file of the web.
    WebFile is "a mapping with the keys url and sha256" {
        /// Its address.
        @required url: WebAddress,
        /// SHA-256 of its contents, 64 hexadecimal digits; another content is refused.
        @required sha256: Sha256,
    }
}

/// Where a part of a data set lies.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSource {
    /// A file or folder.
    Path(FilePath),
    /// A file of the web.
    Web {
        /// Its address.
        url: String,
        /// SHA-256 of its contents.
        sha256: String,
    },
}

impl Decode for DataSource {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => {
                let file = WebFile::decode(node, reader)?;
                let (url, sha256) = (file.url.given()?.0, file.sha256.given()?.0);
                Some(DataSource::Web { url, sha256 })
            }
            Value::Text(text) if text.starts_with("https://") || text.starts_with("http://") => {
                let hint = format!("write `{{url: \"{text}\", sha256: …}}`");
                reader.report_with(&node.place, "a file of the web needs its hash", Some(hint));
                None
            }
            _ => FilePath::decode(node, reader).map(DataSource::Path),
        }
    }
}

impl JsonSchema for DataSource {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "DataSource".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (path, web) = (generator.subschema_for::<FilePath>(), generator.subschema_for::<WebFile>());
        json_schema!({ "anyOf": [path, web] })
    }
}

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoding {
    /// `greedy`
    Greedy,
    /// `sampled`, or its parameters.
    Sampled {
        /// What logits are divided by.
        temperature: Option<Temperature>,
        /// Share of the probability that stays.
        top_p: Option<TopP>,
    },
}

impl Decode for Decoding {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(word) if word == "greedy" => Some(Decoding::Greedy),
            Value::Text(word) if word == "sampled" => {
                Some(Decoding::Sampled { temperature: None, top_p: None })
            }
            Value::Map(_) => {
                let sampled = Sampled::decode(node, reader)?;
                let is_wrong =
                    matches!(sampled.temperature, Field::Invalid) || matches!(sampled.top_p, Field::Invalid);
                let (temperature, top_p) = (sampled.temperature.given(), sampled.top_p.given());
                (!is_wrong).then_some(Decoding::Sampled { temperature, top_p })
            }
            _ => {
                reader.unexpected(node, "greedy, sampled, or a mapping with temperature and top_p");
                None
            }
        }
    }
}

impl JsonSchema for Decoding {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Decoding".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let sampled = generator.subschema_for::<Sampled>();
        json_schema!({ "anyOf": [{ "enum": ["greedy", "sampled"] }, sampled] })
    }
}

/// Which tasks a trial is evaluated on.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// Those of the data set conditioned on.
    Matched,
    /// All.
    All,
    /// These.
    Tasks(List<Name>),
}

impl Choice {
    const EXPECTED: &str = "matched, all, or a list of tasks";
}

impl Decode for Choice {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "matched" => Some(Choice::Matched),
            Value::Text(text) if text == "all" => Some(Choice::All),
            Value::Text(_) | Value::List(_) => List::decode(node, reader).map(Choice::Tasks),
            _ => {
                reader.unexpected(node, Self::EXPECTED);
                None
            }
        }
    }
}

impl JsonSchema for Choice {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Choice".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names = generator.subschema_for::<List<Name>>();
        json_schema!({ "anyOf": [{ "enum": ["matched", "all"] }, names] })
    }
}

/// Which tasks the trials are evaluated on.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluate {
    /// The same choice for every trial.
    Same(Choice),
    /// By the data set conditioned on.
    ByCondition {
        /// For those not named; absent, wrong, or given with its place.
        default: Field<Spanned<Choice>>,
        /// Names of data sets with their choices; nothing for one that is wrong.
        named: Vec<(Spanned<String>, Option<Spanned<Choice>>)>,
    },
}

impl Evaluate {
    /// Whether it means nothing where nothing is conditioned on.
    pub fn needs_condition(&self) -> bool {
        !matches!(self, Evaluate::Same(Choice::All | Choice::Tasks(_)))
    }

    /// The key for all data sets that are not named.
    pub const DEFAULT: &str = "default";

    /// Words that therefore cannot name a data set or task.
    pub const WORDS: [&str; 3] = ["matched", "all", Self::DEFAULT];
}

impl Decode for Evaluate {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            return match &node.value {
                Value::Text(_) | Value::List(_) => Choice::decode(node, reader).map(Evaluate::Same),
                _ => {
                    let expected = format!("{}, or a mapping from data sets to these", Choice::EXPECTED);
                    reader.unexpected(node, &expected);
                    None
                }
            };
        };
        let (mut default, mut named) = (Field::Absent, Vec::new());
        for Entry { key, place, node } in entries {
            if key == Self::DEFAULT {
                default = Field::read(node, reader);
            } else {
                let choice = Spanned::<Choice>::decode(node, reader);
                named.push((Spanned { value: key.clone(), place: Place::clone(place) }, choice));
            }
        }
        Some(Evaluate::ByCondition { default, named })
    }
}

impl JsonSchema for Evaluate {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Evaluate".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let choice = generator.subschema_for::<Choice>();
        json_schema!({
            "anyOf": [choice, { "type": "object", "additionalProperties": choice, "minProperties": 1 }]
        })
    }
}
