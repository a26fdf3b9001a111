//! What identifies a stage: the hash of everything that can change its result, and nothing else.

use crate::digest::{Digest, DigestError, canonical_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
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
