//! Texts of data sets and tasks: templates, patterns, addresses and words, each checked where it is written.

use super::location::HubRepo;
use super::node::{Node, Value};
use super::read::{Decode, Reader};
use super::scalar::text;
use minijinja::{Environment, UndefinedBehavior};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use tacq_protocol::stage::RepoType;

/// What a task measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskType {
    /// Perplexity of a text.
    Perplexity,
    /// The most likely of given answers.
    MultipleChoice,
    /// A generated answer, compared as text.
    ExactMatch,
    /// A generated query, compared by what it returns.
    ExecutionAccuracy,
}

impl TaskType {
    /// The word in the experiment file.
    pub fn name(self) -> &'static str {
        match self {
            TaskType::Perplexity => "perplexity",
            TaskType::MultipleChoice => "multiple_choice",
            TaskType::ExactMatch => "exact_match",
            TaskType::ExecutionAccuracy => "execution_accuracy",
        }
    }
}

/// A template in MiniJinja's language, of valid syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTemplate(pub String);

/// A regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub String);

/// A text that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(pub String);

/// A text of at least one character, which may be blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopText(pub String);

/// Any text, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyText(pub String);

/// An address of the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress(pub String);

/// 64 hexadecimal digits, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha256(pub String);

/// A data set of the Hugging Face hub, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubName(pub HubRepo);

impl Decode for WebAddress {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let address = text(node, reader, "an address")?;
        if address.starts_with("https://") || address.starts_with("http://") {
            return Some(WebAddress(address));
        }
        reader.report(&node.place, format!("`{address}` is not an address beginning with https://"));
        None
    }
}

impl Decode for Sha256 {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let digits = text(node, reader, "a SHA-256 of 64 hexadecimal digits")?;
        if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Some(Sha256(digits.to_ascii_lowercase()));
        }
        reader.report(&node.place, format!("`{digits}` is not a SHA-256 of 64 hexadecimal digits"));
        None
    }
}

impl Decode for HubName {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let name = text(node, reader, "a data set of the hub")?;
        let repo = HubRepo::parse(RepoType::Dataset, &name);
        if repo.is_none() {
            let message = format!("`{name}` is not a data set of the hub: org/name or org/name@revision");
            let hint = "for a folder write `path: FOLDER`".to_owned();
            reader.report_with(&node.place, message, Some(hint));
        }
        repo.map(HubName)
    }
}

impl Decode for TextTemplate {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let template = text(node, reader, "a template")?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        if let Err(error) = environment.template_from_str(&template) {
            let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            let line = match error.line() {
                Some(line) if template.trim_end().contains('\n') => format!(" (its line {line})"),
                _ => String::new(),
            };
            let message = format!("the template is not valid: {what}{line}");
            let hint = "a field of the record is written {{ field }}".to_owned();
            reader.report_with(&node.place, message, Some(hint));
            return None;
        }
        Some(TextTemplate(template))
    }
}

impl Decode for Pattern {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let pattern = text(node, reader, "a regular expression")?;
        match regex::Regex::new(&pattern) {
            Ok(_) => Some(Pattern(pattern)),
            Err(error) => {
                // The last line says what is wrong; those before draw where.
                let error = error.to_string();
                let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                reader.report(&node.place, format!("`{pattern}` is not a regular expression: {what}"));
                None
            }
        }
    }
}

impl Decode for Message {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        text(node, reader, "a text").map(Message)
    }
}

impl Decode for StopText {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            // A line end is the commonest of all.
            Value::Text(text) if !text.is_empty() => Some(StopText(text.clone())),
            _ => text(node, reader, "a text").map(StopText),
        }
    }
}

impl Decode for AnyText {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) => Some(AnyText(text.clone())),
            _ => text(node, reader, "a text").map(AnyText),
        }
    }
}

macro_rules! text_schemas {
    ($($name:ident: $schema:tt;)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}
text_schemas! {
    TextTemplate: { "type": "string", "pattern": "\\S" };
    Pattern: { "type": "string", "pattern": "\\S" };
    Message: { "type": "string", "pattern": "\\S" };
    StopText: { "type": "string", "minLength": 1 };
    AnyText: { "type": "string" };
    WebAddress: { "type": "string", "pattern": "^https?://" };
    Sha256: { "type": "string", "pattern": "^[0-9a-fA-F]{64}$" };
    HubName: { "type": "string", "pattern": "^[^/]+/[^/@]+(@.+)?$" };
}
