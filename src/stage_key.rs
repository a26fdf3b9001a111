//! What identifies a stage: the hash of everything that can change its result, and nothing else.

use crate::digest::{Digest, DigestError, canonical_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use tacq_protocol::{StageKind, StageParams};

/// Content hash of a stage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageKey(Digest);

impl StageKey {
    /// The first 12 digits: enough to name a stage to a person.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for StageKey {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.parse().map(Self)
    }
}

/// What is hashed. Device, threads, paths, times and the programs' versions are provenance, kept beside the
/// artifact; [`StageKind::version`] stands for the code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPayload {
    /// What kind of stage.
    pub kind: StageKind,
    /// Version of what that kind computes.
    pub version: u32,
    /// The parameters that change the result; integers, decimals as text, names.
    pub params: Value,
    /// Keys of the stages whose artifacts it reads, by role.
    pub inputs: BTreeMap<String, StageKey>,
}

impl KeyPayload {
    /// The payload of a stage of these parameters on these inputs.
    pub fn new(params: &StageParams, inputs: BTreeMap<String, StageKey>) -> Self {
        let tagged = serde_json::to_value(params).expect("stage parameters serialize without error");
        let kind = params.kind();
        Self { kind, version: kind.version(), params: tagged["params"].clone(), inputs }
    }

    /// Its hash.
    pub fn key(&self) -> StageKey {
        StageKey(Digest::of(canonical_json(self).as_bytes()))
    }
}

/// [`KeyPayload::key`] from the canonical JSON of the parameters, which many stages of a plan share: plans have ten
/// thousand, and making and sorting a tree for each is most of what planning costs.
pub fn key_of<'a>(
    kind: StageKind,
    params: &str,
    inputs: impl Iterator<Item = (&'a str, &'a StageKey)>,
) -> StageKey {
    let mut text = String::with_capacity(params.len() + 512);
    text.push_str(r#"{"inputs":{"#);
    // Keys in order, as canonical JSON has them: those of the map that they come from are.
    for (place, (role, key)) in inputs.enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let role = Value::from(role);
        write!(text, r#"{comma}{role}:"{key}""#).expect("text");
    }
    write!(text, r#"}},"kind":"{kind}","params":{params},"version":{}}}"#, kind.version()).expect("text");
    StageKey(Digest::of(text.as_bytes()))
}

/// The canonical JSON of parameters, for [`key_of`].
pub fn canonical_params(params: &StageParams) -> String {
    let tagged = serde_json::to_value(params).expect("stage parameters serialize without error");
    canonical_json(&tagged["params"])
}
