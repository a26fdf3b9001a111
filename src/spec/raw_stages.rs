//! What may be written about commands of the user's own; see [`super::raw`].

use super::experiment::Each;
use super::node::{Node, Value};
use super::read::{Decode, List, Reader, Spanned, record};
use super::scalar::{FilePath, Name, text};
use super::templates::AnyText;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::path::{Component, Path};

record! {
    /// A command of your own as a stage.
    Stage is "a mapping with the keys command, each, needs and others" {
        /// What is run: a text for `sh -euc`, or a list of a program and its arguments. It finds what it needs in
        /// folders that environment variables name, such as $WEIGHTS and $CHECKPOINT, and writes into $OUTPUT.
        @required command: Spanned<Command>,
        /// trial: for each trial and the 16-bit model; model: once for each model. Default: trial.
        each: Each,
        /// What it reads: model, weights (a model folder with the quantized weights), checkpoint, mask, saliency,
        /// gradients, calibration, or the name of another stage of yours. A trial that lacks one of them is left out.
        /// Default: weights; with `each: model`, model.
        needs: List<Name>,
        /// Files and folders of yours that it reads, such as the script itself. They lie in its working directory under
        /// the names written here, and another content is another result.
        files: List<FilePath>,
        /// Environment variables. Beside these the command is given few: PATH, HOME, LANG and the like.
        env: Variables,
        /// Names of environment variables that are passed on, such as HF_TOKEN; their values change no key.
        pass: List<VariableName>,
        /// What the command runs in, such as the digest of a container's image. Told to it in $IMAGE.
        image: AnyText,
        /// Files and folders of $OUTPUT that are kept.
        outputs: List<OutputPath>,
        /// JSON file of $OUTPUT with numbers by name, which become rows of the tables, with the stage's name as the
        /// task.
        metrics: Spanned<OutputPath>,
    }
}

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(pub Vec<String>);

impl Command {
    const EXPECTED: &'static str = "a command: a text, or a list of a program and its arguments";
}

impl Decode for Command {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(nodes) = &node.value else {
            let script = text(node, reader, Self::EXPECTED)?;
            return Some(Self(["sh", "-euc", &script].map(str::to_owned).to_vec()));
        };
        let words: Vec<_> = nodes.iter().filter_map(|node| scalar(node, reader)).collect();
        if words.len() < nodes.len() {
            return None;
        }
        if words.first().is_none_or(|program| program.trim().is_empty()) {
            reader.report(&node.place, format!("this is not {}", Self::EXPECTED));
            return None;
        }
        Some(Self(words))
    }
}

impl JsonSchema for Command {
    fn schema_name() -> Cow<'static, str> {
        "Command".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let word = json_schema!({ "type": ["string", "number", "boolean"] });
        json_schema!({
            "description": Self::EXPECTED,
            "anyOf": [
                { "type": "string", "pattern": "\\S" },
                { "type": "array", "items": word, "minItems": 1 },
            ],
        })
    }
}

/// A text, or a number or truth value as it is written.
fn scalar(node: &Node, reader: &mut Reader) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Number { text, .. } => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => {
            reader.unexpected(node, "a text");
            None
        }
    }
}

/// Environment variables with their values, in file order.
#[derive(Debug, Clone, PartialEq)]
pub struct Variables(pub Vec<(Spanned<VariableName>, String)>);

impl Decode for Variables {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut variables = Vec::new();
        for entry in reader.entries(node, "a mapping from names of environment variables")? {
            match VariableName::new(&entry.key) {
                Ok(name) => {
                    let name = Spanned { value: name, place: entry.place.clone() };
                    variables.extend(scalar(&entry.node, reader).map(|value| (name, value)));
                }
                Err(wrong) => reader.report(&entry.place, wrong),
            }
        }
        Some(Self(variables))
    }
}

impl JsonSchema for Variables {
    fn schema_name() -> Cow<'static, str> {
        "Variables".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"] },
            "propertyNames": { "pattern": VariableName::PATTERN },
        })
    }
}

/// Name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableName(pub String);

impl VariableName {
    const PATTERN: &'static str = "^[A-Za-z_][A-Za-z0-9_]*$";

    fn new(name: &str) -> Result<Self, String> {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain && name.starts_with(|c: char| !c.is_ascii_digit()) {
            return Ok(Self(name.to_owned()));
        }
        Err(format!("`{name}` cannot be the name of an environment variable: letters, digits and `_`"))
    }
}

impl Decode for VariableName {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let name = text(node, reader, "the name of an environment variable")?;
        Self::new(&name).map_err(|wrong| reader.report(&node.place, wrong)).ok()
    }
}

impl JsonSchema for VariableName {
    fn schema_name() -> Cow<'static, str> {
        "VariableName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": Self::PATTERN })
    }
}

/// A file or folder below $OUTPUT, without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPath(pub String);

impl Decode for OutputPath {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let path = text(node, reader, "a path below $OUTPUT")?;
        match inner_path(&path) {
            Some(path) => Some(Self(path)),
            None => {
                let hint = "write it as it is named in $OUTPUT: `results.json`, `plots/loss.png`".to_owned();
                reader.report_with(&node.place, format!("`{path}` does not lie below $OUTPUT"), Some(hint));
                None
            }
        }
    }
}

impl JsonSchema for OutputPath {
    fn schema_name() -> Cow<'static, str> {
        "OutputPath".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^/]", "description": "a path below $OUTPUT" })
    }
}

/// A relative path that stays inside the folder that it starts from, with one `/` between its parts.
pub(super) fn inner_path(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
