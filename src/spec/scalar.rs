//! How single values are read: numbers with a range, decimals, words from a list, text.

use super::node::{Node, Value};
use super::read::{Decode, Reader, wrong_name};
use super::suggest::suggest;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use tacq_protocol::stage::{Grid, Order, Rounding, Score};
use tacq_protocol::task::TextFormat;
use tacq_protocol::units::{
    AvgBits, BatchSize, Bits, BlockSize, DType, Damp, Device, FewShot, GroupSize, MaxNewTokens, NExamples,
    NSamples, NWindows, OutlierRatio, SalienceWeight, Seed, SeqLen, SparseRatio, Temperature, Threshold,
    TopP, UnitError,
};

use super::experiment::{CalibrationSampling, Each};
use super::remote::RemoteMode;
use super::retention::ArtifactKind;
use super::templates::TaskType;

/// Reads a whole number through the type that knows its range.
fn integer<T>(
    node: &Node,
    reader: &mut Reader,
    expected: &str,
    new: impl Fn(u64) -> Result<T, UnitError>,
) -> Option<T> {
    if let Value::Number { integer: Some(value), .. } = node.value
        && let Ok(value) = new(value)
    {
        return Some(value);
    }
    quoted_or_unexpected(node, reader, expected);
    None
}

/// Reads a decimal from its text, exactly as written.
fn decimal<T: std::str::FromStr>(node: &Node, reader: &mut Reader, expected: &str) -> Option<T> {
    if let Value::Number { text, .. } = &node.value
        && let Ok(value) = text.parse()
    {
        return Some(value);
    }
    quoted_or_unexpected(node, reader, expected);
    None
}

fn quoted_or_unexpected(node: &Node, reader: &mut Reader, expected: &str) {
    match &node.value {
        Value::Text(text) if text.parse::<f64>().is_ok() => {
            let message = format!("the text `{text}` is not {expected}");
            reader.report_with(&node.place, message, Some("remove the quotes".to_owned()));
        }
        _ => reader.unexpected(node, expected),
    }
}

macro_rules! integers {
    ($($name:ident),*) => {$(
        impl Decode for $name {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                integer(node, reader, $name::EXPECTED, $name::new)
            }
        }
    )*};
}
integers!(
    Bits,
    GroupSize,
    SeqLen,
    NSamples,
    NWindows,
    BlockSize,
    Seed,
    Threads,
    CheckpointSecs,
    Retries,
    Cpus,
    MaxJobs,
    Gpus
);
integers!(BatchSize, FewShot, MaxNewTokens, NExamples);

macro_rules! decimals {
    ($($name:ident),*) => {$(
        impl Decode for $name {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                decimal(node, reader, $name::EXPECTED)
            }
        }
    )*};
}
decimals!(AvgBits, OutlierRatio, SparseRatio, Threshold, SalienceWeight, Damp, Temperature, TopP);

macro_rules! local_integers {
    ($($(#[$doc:meta])* $name:ident, $low:literal, $high:literal, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(u32);

        impl $name {
            const EXPECTED: &'static str = $expected;

            fn new(value: u64) -> Result<Self, UnitError> {
                match u32::try_from(value) {
                    Ok(value) if ($low..=$high).contains(&value) => Ok(Self(value)),
                    _ => Err(UnitError { found: value.to_string(), expected: $expected }),
                }
            }

            /// The plain number.
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "integer", "minimum": $low, "maximum": $high, "description": $expected })
            }
        }
    )*};
}
local_integers! {
    /// Threads of an engine.
    Threads, 1, 4096, "a number of threads from 1 to 4096";
    /// Seconds between in-stage checkpoints; 0 takes every chance.
    CheckpointSecs, 0, 86_400, "a number of seconds from 0 to 86400";
    /// Further attempts.
    Retries, 0, 100, "a number of attempts from 0 to 100";
    /// Cores of a job.
    Cpus, 1, 65_536, "a number of cores from 1 to 65536";
    /// GPUs of a stage.
    Gpus, 1, 8, "a number of GPUs: 1, 2, 4 or 8";
    /// Jobs at a time.
    MaxJobs, 1, 1_000_000, "a number of jobs from 1 to 1000000";
}

impl Decode for bool {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                reader.unexpected(node, "true or false");
                None
            }
        }
    }
}

/// One of a few words.
pub trait Keyword: Copy + 'static {
    /// What the words name: "a grid".
    const WHAT: &'static str;
    /// The words with what they mean.
    const WORDS: &'static [(&'static str, Self)];
}

pub(super) fn keyword<T: Keyword>(node: &Node, reader: &mut Reader) -> Option<T> {
    if let Value::Text(text) = &node.value
        && let Some((_, value)) = T::WORDS.iter().find(|(word, _)| word == text)
    {
        return Some(*value);
    }
    let words = T::WORDS.iter().map(|(word, _)| *word);
    let list = words.clone().collect::<Vec<_>>().join(", ");
    match &node.value {
        Value::Text(text) => {
            let hint = suggest(text, words).map(|word| format!("did you mean `{word}`?"));
            let message = format!("{} is not {}; known: {list}", node.found(), T::WHAT);
            reader.report_with(&node.place, message, hint);
        }
        _ => reader.unexpected(node, &format!("{}; known: {list}", T::WHAT)),
    }
    None
}

macro_rules! keywords {
    ($($name:ident is $what:literal { $($word:literal => $value:ident),* };)*) => {$(
        impl Keyword for $name {
            const WHAT: &'static str = $what;
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$value)),*];
        }
        impl Decode for $name {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                keyword(node, reader)
            }
        }
    )*};
}
keywords! {
    Order is "an order" { "natural" => Natural, "activity" => Activity };
    Grid is "a grid" { "mse" => Mse, "minmax" => Minmax };
    Rounding is "a quantizer" { "gptq" => Gptq, "rtn" => Rtn };
    TextFormat is "a text format" {
        "plain" => Plain, "wikitext" => Wikitext, "ptb" => Ptb, "c4" => C4, "jsonl" => Jsonl
    };
    TaskType is "a type of tasks" {
        "perplexity" => Perplexity, "multiple_choice" => MultipleChoice, "exact_match" => ExactMatch,
        "execution_accuracy" => ExecutionAccuracy
    };
    CalibrationSampling is "a way of sampling" { "random" => Random, "first" => First };
    Each is "how often a stage runs" { "trial" => Trial, "model" => Model };
    RemoteMode is "a mode" { "read_write" => ReadWrite, "read_only" => ReadOnly };
    ArtifactKind is "a kind of artifact" {
        "calibrate" => Calibrate, "quantize" => Quantize, "gradients" => Gradients, "saliency" => Saliency,
        "select" => Select, "mixed_quantize" => MixedQuantize, "evaluate" => Evaluate, "command" => Command
    };
    DType is "a number format" { "f32" => F32, "tf32" => Tf32, "bf16" => Bf16 };
    Score is "a saliency" {
        "tacq" => Tacq, "weight" => Weight, "fisher" => Fisher, "signed" => Signed, "signed_grad" => SignedGrad, "abs_grad" => AbsGrad,
        "msg" => Msg, "qal" => Qal, "random" => Random
    };
}

impl Decode for Device {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        if let Value::Text(text) = &node.value
            && let Ok(device) = text.parse()
        {
            return Some(device);
        }
        reader.unexpected(node, "a device: cpu or cuda:N");
        None
    }
}

/// Columns that share a grid: a number, or `row` for a whole row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(pub Option<GroupSize>);

impl Decode for Group {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "row" => Some(Group(None)),
            Value::Number { .. } => GroupSize::decode(node, reader).map(|size| Group(Some(size))),
            _ => {
                reader.unexpected(node, "a group size from 1 to 65536, or the word `row`");
                None
            }
        }
    }
}

impl JsonSchema for Group {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Group".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let size = generator.subschema_for::<GroupSize>();
        json_schema!({ "anyOf": [size, { "const": "row" }] })
    }
}

/// How names of templates end.
pub const TEMPLATE_SUFFIX: &str = ".j2";

/// Reads text that is not empty.
pub(super) fn text(node: &Node, reader: &mut Reader, expected: &str) -> Option<String> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number { text, .. } => {
            let message = format!("the number {text} is not {expected}");
            reader.report_with(&node.place, message, Some(format!("put it in quotes: \"{text}\"")));
            None
        }
        Value::Bool(value) => {
            let message = format!("{value} (true or false) is not {expected}");
            reader.report_with(&node.place, message, Some(format!("put it in quotes: \"{value}\"")));
            None
        }
        _ => {
            reader.unexpected(node, expected);
            None
        }
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $expected:literal, $pattern:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub String);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $expected })
            }
        }
    )*};
}
texts! {
    /// The experiment's name, also that of a folder.
    ExperimentName, "a name", "^[A-Za-z0-9][A-Za-z0-9._-]*$";
    /// A reference to a data set or task.
    Name, "a name", "\\S";
    /// A file or folder; relative paths are taken from the working directory.
    FilePath, "a path", "\\S";
    /// A built-in template or a file.
    Template, "a template", "[^/]\\.j2$";
}

impl Decode for ExperimentName {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let name = text(node, reader, "a name")?;
        if let Some(wrong) = wrong_name(&name, "._-") {
            reader.report(&node.place, format!("{wrong}; it names the folder of the results"));
            return None;
        }
        Some(ExperimentName(name))
    }
}

impl Decode for Name {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        text(node, reader, "a name").map(Name)
    }
}

impl Decode for FilePath {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        text(node, reader, "a path").map(FilePath)
    }
}

impl Decode for Template {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let template = text(node, reader, "a template")?;
        let name = template.rsplit('/').next().unwrap_or_default();
        if name.len() > TEMPLATE_SUFFIX.len() && name.ends_with(TEMPLATE_SUFFIX) {
            return Some(Template(template));
        }
        let message = format!("`{template}` is not a template: its name must end in {TEMPLATE_SUFFIX}");
        let hint = format!(
            "what stands before {TEMPLATE_SUFFIX} names the result: `table.md{TEMPLATE_SUFFIX}` makes table.md"
        );
        reader.report_with(&node.place, message, Some(hint));
        None
    }
}
