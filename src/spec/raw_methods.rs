//! Methods as they may be written.

use super::node::{Entry, Node, Value};
use super::read::{Decode, List, Reader, record};
use super::scalar::Group;
use super::suggest::suggest;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use tacq_protocol::stage::{Grid, Order, Rounding, Score};
use tacq_protocol::units::{
    Bits, BlockSize, Damp, GroupSize, NSamples, OutlierRatio, SalienceWeight, SparseRatio, Threshold,
};

record! {
    /// Round to nearest. Needs no calibration.
    Rtn is "a mapping of parameters" {
        /// Columns that share a scale and zero point, or `row`. Default: row.
        group_size: List<Group>,
        /// How ranges are found. Default: mse.
        grid: List<Grid>,
    }
}

record! {
    /// GPTQ (arXiv 2210.17323).
    Gptq is "a mapping of parameters" {
        /// Columns that share a scale and zero point, or `row`. Default: row.
        group_size: List<Group>,
        /// How ranges are found. Default: mse.
        grid: List<Grid>,
        /// Added to the Hessian's diagonal, as a share of its mean. Default: 0.01.
        damp: List<Damp>,
        /// Columns between lazy updates. Default: 128.
        block_size: List<BlockSize>,
        /// Whether statistics are collected again after each group of layers in a block. Default: true.
        true_sequential: List<bool>,
        /// In which order columns are quantized. Default: natural.
        order: List<Order>,
        /// Whether groups are of neighbouring columns whatever the order, their grids found before any column is quantized;
        /// otherwise they are of columns that follow each other in the order. Default: false.
        static_groups: List<bool>,
    }
}

record! {
    /// SpQR (arXiv 2306.03078): GPTQ with small groups whose grids are quantized, and outliers in 16 bit by what they cost.
    Spqr is "a mapping of parameters" {
        /// What a weight may cost before it stays in 16 bit, relative to the mean; 0 keeps none. Default: 0.2.
        outlier_threshold: List<Threshold>,
        /// Columns that share a scale and zero point. Default: 16.
        group_size: List<GroupSize>,
        /// Bits of a group's scale and of its zero point. Default: 3.
        stats_bits: List<Bits>,
        /// Added to the Hessian's diagonal, as a share of its mean. Default: 1.
        damp: List<Damp>,
        /// Columns between lazy updates. Default: 128.
        block_size: List<BlockSize>,
        /// Whether statistics are collected again after each group of layers in a block. Default: true.
        true_sequential: List<bool>,
        /// In which order columns are quantized. Default: activity.
        order: List<Order>,
    }
}

record! {
    /// SliM-LLM (arXiv 2405.14917): GPTQ in groups that have a bit more or less by their salience.
    SlimLlm is "a mapping of parameters" {
        /// Columns of a group. Default: 128.
        group_size: List<GroupSize>,
        /// How many times a salient weight's error counts where ranges are found. Default: 1.
        salience_weight: List<SalienceWeight>,
        /// Added to the Hessian's diagonal, as a share of its mean. Default: 0.01.
        damp: List<Damp>,
        /// Whether statistics are collected again after each group of layers in a block. Default: false.
        true_sequential: List<bool>,
    }
}

record! {
    /// AWQ (arXiv 2306.00978): round to nearest after input features have been scaled by their activations.
    Awq is "a mapping of parameters" {
        /// Columns that share a scale and zero point, or `row`. Default: 128.
        group_size: List<Group>,
        /// Whether ranges are cut off where that changes outputs less. Default: true.
        clip: List<bool>,
    }
}

record! {
    /// SqueezeLLM (arXiv 2306.07629): values for each row by k-means, and a sparse part in 16 bit.
    Squeezellm is "a mapping of parameters" {
        /// Share of all weights that stay in 16 bit for their magnitude. Default: 0.0045.
        magnitude_ratio: List<SparseRatio>,
        /// Share of each matrix that stays in 16 bit for its Fisher information. Default: 0.0005.
        fisher_ratio: List<SparseRatio>,
    }
}

record! {
    /// TaCQ (arXiv 2504.07389) and its ablations: the most salient weights stay in 16 bit.
    Tacq is "a mapping of parameters" {
        /// Share of the linear weights kept in 16 bit, such as 0.0035. Required but with a budget.
        outlier_ratio: List<OutlierRatio>,
        /// What ranks the weights. Default: tacq.
        saliency: List<Score>,
        /// Calibration sequences of which gradients are taken; the quantizer sees all n_samples. Default: n_samples.
        gradient_samples: List<NSamples>,
        /// How the other weights are quantized. Default: gptq.
        quantizer: List<Rounding>,
        /// Columns that share a scale and zero point, or `row`. Default: row.
        group_size: List<Group>,
        /// How ranges are found. Default: mse.
        grid: List<Grid>,
        /// Added to the Hessian's diagonal, as a share of its mean. For gptq only. Default: 0.01.
        damp: List<Damp>,
        /// Columns between lazy updates. For gptq only. Default: 128.
        block_size: List<BlockSize>,
        /// Whether statistics are collected again after each group of layers in a block. For gptq only. Default: true.
        true_sequential: List<bool>,
        /// In which order columns are quantized. For gptq only. Default: natural.
        order: List<Order>,
        /// Whether groups are of neighbouring columns whatever the order. For gptq only. Default: false.
        static_groups: List<bool>,
    }
}

/// A method with its parameters as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// `rtn`
    Rtn(Rtn),
    /// `gptq`
    Gptq(Box<Gptq>),
    /// `spqr`
    Spqr(Box<Spqr>),
    /// `slim_llm`
    SlimLlm(SlimLlm),
    /// `awq`
    Awq(Awq),
    /// `squeezellm`
    Squeezellm(Squeezellm),
    /// `tacq`
    Tacq(Box<Tacq>),
}

impl Method {
    /// Their names.
    pub const NAMES: &[&str] = &["rtn", "gptq", "spqr", "slim_llm", "awq", "squeezellm", "tacq"];
}

impl Decode for Method {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(name) => {
                method(name, node, &Node { value: Value::Map(Vec::new()), ..node.clone() }, reader)
            }
            Value::Map(entries) => match entries.as_slice() {
                [Entry { key, node: Node { value: Value::Null, place }, .. }] => {
                    method(key, node, &Node { value: Value::Map(Vec::new()), place: place.clone() }, reader)
                }
                [] => {
                    reader.report(
                        &node.place,
                        "an empty mapping is not a method: rtn, gptq, spqr, slim_llm, awq, squeezellm or tacq",
                    );
                    None
                }
                [entry] => method(&entry.key, node, &entry.node, reader),
                _ => {
                    let keys = entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>().join(", ");
                    let message = format!("a method is one name with its parameters; found the keys: {keys}");
                    let indented = matches!(entries.first(), Some(Entry { key, node: Node { value: Value::Null, .. }, .. })
                        if Method::NAMES.contains(&key.as_str()));
                    let hint = match indented {
                        true => "indent the parameters deeper than the method's name",
                        false => "write each method as its own list item: `- name: {parameter: value}`",
                    };
                    reader.report_with(&node.place, message, Some(hint.to_owned()));
                    None
                }
            },
            _ => {
                reader.unexpected(node, "a method: rtn, gptq, spqr, slim_llm, awq, squeezellm or tacq");
                None
            }
        }
    }
}

fn method(name: &str, node: &Node, parameters: &Node, reader: &mut Reader) -> Option<Method> {
    match name {
        "rtn" => Rtn::decode(parameters, reader).map(Method::Rtn),
        "gptq" => Gptq::decode(parameters, reader).map(|gptq| Method::Gptq(Box::new(gptq))),
        "spqr" => Spqr::decode(parameters, reader).map(|spqr| Method::Spqr(Box::new(spqr))),
        "slim_llm" => SlimLlm::decode(parameters, reader).map(Method::SlimLlm),
        "awq" => Awq::decode(parameters, reader).map(Method::Awq),
        "squeezellm" => Squeezellm::decode(parameters, reader).map(Method::Squeezellm),
        "tacq" => Tacq::decode(parameters, reader).map(|tacq| Method::Tacq(Box::new(tacq))),
        _ => {
            let names = Method::NAMES.iter().copied();
            let message = match Score::ALL.iter().find(|score| score.name() == name) {
                Some(_) => format!("`{name}` is not a method but a saliency of tacq"),
                None => format!("`{name}` is not a method; known: {}", Method::NAMES.join(", ")),
            };
            let hint = match Score::ALL.iter().find(|score| score.name() == name) {
                Some(_) => Some(format!("write `tacq: {{saliency: {name}, outlier_ratio: …}}`")),
                None => suggest(name, names).map(|name| format!("did you mean `{name}`?")),
            };
            reader.report_with(&node.place, message, hint);
            None
        }
    }
}

impl JsonSchema for Method {
    fn schema_name() -> Cow<'static, str> {
        "Method".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // `- gptq:` with nothing behind it is `- gptq`.
        let no_value = json_schema!({ "type": "null" });
        json_schema!({
            "anyOf": [
                { "enum": Method::NAMES },
                {
                    "type": "object",
                    "properties": {
                        "rtn": { "anyOf": [generator.subschema_for::<Rtn>(), no_value] },
                        "gptq": { "anyOf": [generator.subschema_for::<Gptq>(), no_value] },
                        "spqr": { "anyOf": [generator.subschema_for::<Spqr>(), no_value] },
                        "slim_llm": { "anyOf": [generator.subschema_for::<SlimLlm>(), no_value] },
                        "awq": { "anyOf": [generator.subschema_for::<Awq>(), no_value] },
                        "squeezellm": { "anyOf": [generator.subschema_for::<Squeezellm>(), no_value] },
                        "tacq": { "anyOf": [generator.subschema_for::<Tacq>(), no_value] },
                    },
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ],
        })
    }
}
