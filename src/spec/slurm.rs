//! What jobs on a Slurm cluster ask for.

use super::node::{Node, Value};
use super::quantity::{Size, Span};
use super::raw;
use super::read::{Decode, Field, List, Reader};
use super::resolve::values;
use super::scalar::{Keyword, keyword, text};
use crate::slurm::Resources;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use tacq_protocol::StageKind;

/// Who runs the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// This machine.
    #[default]
    Local,
    /// Jobs on a Slurm cluster.
    Slurm,
}

impl Keyword for Executor {
    const WHAT: &'static str = "an executor";
    const WORDS: &'static [(&'static str, Self)] = &[("local", Executor::Local), ("slurm", Executor::Slurm)];
}

impl Decode for Executor {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        keyword(node, reader)
    }
}

/// The value of one of sbatch's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlurmWord(pub String);

/// One of sbatch's options as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlurmOption(pub String);

/// A time limit: as Slurm writes it, or with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallTime(pub Duration);

/// Memory: as Slurm writes it, or with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(pub u64);

const WORD: &str = "a word as sbatch takes it";
const OPTION: &str = "an option of sbatch, such as --nice=100";
const TIME: &str = "a time limit, such as 90m, 12h, 1d or 1-12:00:00";
const MEMORY: &str = "a size, such as 64G or 64GiB";

/// Options that are the program's own: with others, jobs could not be followed.
const OWN_OPTIONS: [&str; 17] = [
    "array",
    "chdir",
    "clusters",
    "comment",
    "dependency",
    "error",
    "help",
    "input",
    "job-name",
    "kill-on-invalid-dep",
    "no-requeue",
    "open-mode",
    "output",
    "parsable",
    "test-only",
    "wait",
    "wrap",
];

impl Decode for SlurmWord {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let word = text(node, reader, WORD)?;
        if word.chars().any(char::is_whitespace) {
            reader.report(&node.place, format!("`{word}` is not {WORD}: it has a space"));
            return None;
        }
        Some(Self(word))
    }
}

impl Decode for SlurmOption {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let option = text(node, reader, OPTION)?;
        let Some(name) = option.strip_prefix("--").map(|rest| rest.split('=').next().unwrap_or_default())
        else {
            let hint = Some("write the long form, with `=` before its value".to_owned());
            reader.report_with(&node.place, format!("`{option}` is not {OPTION}"), hint);
            return None;
        };
        // Abbreviations are options too.
        if name.is_empty() || OWN_OPTIONS.iter().any(|own| own.starts_with(name)) {
            reader.report(&node.place, format!("`{option}`: this option is set by tacq-sweep itself"));
            return None;
        }
        Some(Self(option))
    }
}

/// Reads a text through a parser; a bare number has no unit.
fn with_unit<T>(
    node: &Node,
    reader: &mut Reader,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    match &node.value {
        Value::Text(text) if parse(text).is_some() => parse(text),
        Value::Number { text, .. } => {
            let message = format!("{text} is not {expected}");
            reader.report_with(&node.place, message, Some("add the unit".to_owned()));
            None
        }
        _ => {
            reader.unexpected(node, expected);
            None
        }
    }
}

impl Decode for WallTime {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        with_unit(node, reader, TIME, |text| wall_time(text).filter(|limit| !limit.is_zero()).map(Self))
    }
}

impl Decode for Memory {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        with_unit(node, reader, MEMORY, |text| memory(text).map(Self))
    }
}

/// `12h`, `HOURS:MINUTES:SECONDS`, `MINUTES:SECONDS`, `DAYS-HOURS[:MINUTES[:SECONDS]]`.
fn wall_time(text: &str) -> Option<Duration> {
    if let Ok(Span(span)) = text.parse() {
        return Some(span);
    }
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (Some(days.parse::<u64>().ok()?), clock),
        None => (None, text),
    };
    let parts = clock.split(':').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
    let secs = match (days, parts.as_slice()) {
        (Some(_), [hours]) => hours * 3600,
        (Some(_), [hours, minutes]) => hours * 3600 + minutes * 60,
        (_, [hours, minutes, secs]) => hours * 3600 + minutes * 60 + secs,
        (None, [minutes, secs]) => minutes * 60 + secs,
        _ => return None,
    };
    Some(Duration::from_secs(days.unwrap_or(0).checked_mul(86_400)?.checked_add(secs)?))
}

/// `64G` as Slurm means it, in powers of two, or `64GiB` and its like.
fn memory(text: &str) -> Option<u64> {
    if let Ok(Size(bytes)) = text.parse() {
        return Some(bytes);
    }
    let number = text.strip_suffix(['K', 'M', 'G', 'T'])?;
    let shift = match text.as_bytes().last()? {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        _ => 40,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

macro_rules! schemas {
    ($($name:ident, $expected:expr, $pattern:literal;)*) => {$(
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
schemas! {
    SlurmWord, WORD, "^\\S+$";
    SlurmOption, OPTION, "^--[a-z]";
    WallTime, TIME, "^([0-9.]+ ?[smhd]|([0-9]+-)?[0-9]+(:[0-9]+){0,2})$";
    Memory, MEMORY, "^[0-9.]+ ?([KMGT]|[kMGT]?B|[KMGT]iB)$";
}

/// How stages run on a Slurm cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlurmSettings {
    /// Jobs that may be queued or run at a time.
    pub max_jobs: Option<u32>,
    common: Resources,
    kinds: BTreeMap<StageKind, Resources>,
}

impl SlurmSettings {
    /// What the jobs of a kind of stage ask for.
    pub fn of(&self, kind: StageKind) -> &Resources {
        self.kinds.get(&kind).unwrap_or(&self.common)
    }

    /// What was written for all kinds, and for single ones.
    pub(super) fn new(
        common: Asked,
        kinds: impl IntoIterator<Item = (StageKind, Asked)>,
        max_jobs: Option<u32>,
    ) -> Self {
        let common = common.over(&Resources::default());
        let kinds = kinds.into_iter().map(|(kind, asked)| (kind, asked.over(&common))).collect();
        Self { max_jobs, common, kinds }
    }
}

/// The keys that say what a job asks for, as they were written.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    partition: Field<SlurmWord>,
    account: Field<SlurmWord>,
    qos: Field<SlurmWord>,
    gres: Field<SlurmWord>,
    time: Field<WallTime>,
    mem: Field<Memory>,
    cpus: Field<raw::Cpus>,
    constraint: Field<SlurmWord>,
    exclude: Field<List<SlurmWord>>,
    extra: Field<List<SlurmOption>>,
}

/// Takes them from a mapping that has them among its keys.
macro_rules! asked {
    ($raw:expr) => {{
        let raw = $raw;
        $crate::spec::slurm::Asked {
            partition: raw.partition.clone(),
            account: raw.account.clone(),
            qos: raw.qos.clone(),
            gres: raw.gres.clone(),
            time: raw.time.clone(),
            mem: raw.mem.clone(),
            cpus: raw.cpus.clone(),
            constraint: raw.constraint.clone(),
            exclude: raw.exclude.clone(),
            extra: raw.extra.clone(),
        }
    }};
}

impl Asked {
    /// The keys that only a cluster has a use for.
    pub const KEYS: [&str; 10] =
        ["partition", "account", "qos", "gres", "time", "mem", "cpus", "constraint", "exclude", "extra"];

    /// Of all kinds.
    pub fn of_run(raw: &raw::Run) -> Self {
        asked!(raw)
    }

    /// Of one kind.
    pub fn of_kind(raw: &raw::Kind) -> Self {
        asked!(raw)
    }

    fn over(self, common: &Resources) -> Resources {
        let word = |field: Field<SlurmWord>, common: &Option<String>| {
            field.given().map(|word| word.0).or_else(|| common.clone())
        };
        let list =
            |written: Option<Vec<String>>, common: &Vec<String>| written.unwrap_or_else(|| common.clone());
        let exclude = self.exclude.given().map(|l| values(l.items).into_iter().map(|word| word.0).collect());
        let extra = self.extra.given().map(|l| values(l.items).into_iter().map(|option| option.0).collect());
        Resources {
            partition: word(self.partition, &common.partition),
            account: word(self.account, &common.account),
            qos: word(self.qos, &common.qos),
            gres: word(self.gres, &common.gres),
            time: self.time.given().map(|limit| limit.0).or(common.time),
            mem: self.mem.given().map(|memory| memory.0).or(common.mem),
            cpus: self.cpus.given().map(|cpus| cpus.get()).or(common.cpus),
            constraint: word(self.constraint, &common.constraint),
            exclude: list(exclude, &common.exclude),
            extra: list(extra, &common.extra),
        }
    }
}

/// The settings of a cluster, if the stages are to run on one.
pub(super) fn settings(raw: &raw::Run, reader: &mut Reader) -> Option<SlurmSettings> {
    let written = Asked::KEYS
        .iter()
        .copied()
        .chain(["max_jobs"])
        .find_map(|key| raw.place_of(key).map(|place| (key, place)));
    if let (false, Some((key, place))) = (raw.executor.is_present(), written) {
        let message = format!("`{key}` is for jobs on a cluster, and the key `executor` is missing");
        let hint = "add `executor: slurm`, or `executor: local` to run here for once".to_owned();
        reader.report_with(place, message, Some(hint));
    }
    if raw.executor.clone().given() != Some(Executor::Slurm) {
        return None;
    }
    if let Some(devices) = raw.devices.clone().given().filter(|devices| devices.items.len() > 1) {
        let hint = "name the device that a job sees, such as `devices: cuda:0`".to_owned();
        reader.report_with(&devices.place, "each job computes one stage, on one device", Some(hint));
    }
    let kinds = raw.kinds.clone().given().map(super::run::written_kinds).unwrap_or_default();
    let kinds = kinds.iter().map(|(kind, raw)| (*kind, Asked::of_kind(raw)));
    let max_jobs = raw.max_jobs.clone().given().map(|n| n.get());
    Some(SlurmSettings::new(Asked::of_run(raw), kinds, max_jobs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_read_as_slurm_writes_them() {
        let secs = |text: &str| wall_time(text).map(|limit| limit.as_secs());
        assert_eq!(secs("90m"), Some(5400));
        assert_eq!(secs("1-12"), Some(129_600));
        assert_eq!(secs("1-12:30"), Some(131_400));
        assert_eq!(secs("1-00:00:01"), Some(86_401));
        assert_eq!(secs("02:00:00"), Some(7200));
        assert_eq!(secs("90:30"), Some(5430));
        for wrong in ["90", "", "1-", "-1", "a", "1:2:3:4", "12 parsecs"] {
            assert_eq!(secs(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn slurms_sizes_are_powers_of_two() {
        assert_eq!(["64G", "64GiB", "500M"].map(memory), [Some(64 << 30), Some(64 << 30), Some(500 << 20)]);
        assert_eq!(memory("64GB"), Some(64_000_000_000));
        for wrong in ["64", "G", "-1G", "1.5G", ""] {
            assert_eq!(memory(wrong), None, "{wrong}");
        }
    }
}
