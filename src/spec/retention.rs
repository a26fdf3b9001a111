//! Kinds of artifacts, and which of them stay in the store.

use super::node::{Node, Value};
use super::read::{Decode, List, Reader};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::collections::BTreeSet;
use tacq_protocol::StageKind;

/// Which artifacts a run leaves in the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Keep {
    /// All.
    #[default]
    All,
    /// Those of these kinds, and always what is asked for: sources, results, what commands leave. The others go when the
    /// last stage of the run that reads them is done.
    Only(BTreeSet<StageKind>),
}

impl Keep {
    const EXPECTED: &'static str = "all, results, or a list of kinds of artifacts";

    /// Whether artifacts of a kind stay.
    pub fn keeps(&self, kind: StageKind) -> bool {
        let always = matches!(kind, StageKind::Download | StageKind::Evaluate | StageKind::Command);
        match self {
            Keep::All => true,
            Keep::Only(kinds) => always || kinds.contains(&kind),
        }
    }
}

impl Decode for Keep {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(word) if word == "all" => Some(Keep::All),
            Value::Text(word) if word == "results" => Some(Keep::Only(BTreeSet::new())),
            Value::Text(_) | Value::List(_) => {
                let kinds = List::<ArtifactKind>::decode(node, reader)?;
                let kinds = reader.distinct(kinds);
                Some(Keep::Only(kinds.into_iter().map(|kind| kind.value.into()).collect()))
            }
            _ => {
                reader.unexpected(node, Self::EXPECTED);
                None
            }
        }
    }
}

impl JsonSchema for Keep {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Keep".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds = generator.subschema_for::<List<ArtifactKind>>();
        json_schema!({ "anyOf": [{ "enum": ["all", "results"] }, kinds] })
    }
}

/// A kind of artifact that may stay or go, be pushed or not: all but downloads, whose files anybody can have from where
/// they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// Calibration sets.
    Calibrate,
    /// Uniform checkpoints.
    Quantize,
    /// Sums of gradients.
    Gradients,
    /// Ranked weights.
    Saliency,
    /// Masks.
    Select,
    /// Checkpoints with a mask.
    MixedQuantize,
    /// Results.
    Evaluate,
    /// What commands of the user's own leave.
    Command,
}

impl From<ArtifactKind> for StageKind {
    fn from(kind: ArtifactKind) -> Self {
        match kind {
            ArtifactKind::Calibrate => StageKind::Calibrate,
            ArtifactKind::Quantize => StageKind::Quantize,
            ArtifactKind::Gradients => StageKind::Gradients,
            ArtifactKind::Saliency => StageKind::Saliency,
            ArtifactKind::Select => StageKind::Select,
            ArtifactKind::MixedQuantize => StageKind::MixedQuantize,
            ArtifactKind::Evaluate => StageKind::Evaluate,
            ArtifactKind::Command => StageKind::Command,
        }
    }
}
