//! How an experiment is executed.

use super::raw;
use super::raw_remote;
use super::read::Reader;
use super::remote::RemoteSettings;
use super::resolve::values;
use super::retention::Keep;
use super::slurm::{self, SlurmSettings};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tacq_protocol::StageKind;
use tacq_protocol::units::{BatchSize, DType, Device};

const DEFAULT_STORE: &str = ".tacq";
const DEFAULT_CHECKPOINT_SECS: u32 = 30;
const DEFAULT_RETRIES: u32 = 2;
const DEFAULT_HANG: Duration = Duration::from_secs(120);

/// How an experiment is executed; never part of a stage key, but for number formats and what [`Self::fixed_batch`]
/// says.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// Where stages run; an entry that comes twice runs two at a time.
    pub devices: Vec<Device>,
    /// Number format of computation; part of the keys of the stages that compute.
    pub dtype: DType,
    /// Number format of gradients.
    pub gradient_dtype: DType,
    /// Examples computed side by side in evaluations, at most.
    pub batch_size: Option<BatchSize>,
    /// The store's folder.
    pub store: PathBuf,
    /// Which artifacts stay in the store.
    pub keep: Keep,
    /// Bytes that the store may hold.
    pub quota: Option<u64>,
    /// Threads of each engine; all cores when absent.
    pub threads: Option<u32>,
    /// Seconds between in-stage checkpoints.
    pub checkpoint_secs: u32,
    /// Bytes of each GPU that stages may use together; without, a GPU runs one stage at a time.
    pub gpu_memory: Option<u64>,
    /// Silence after which an engine is taken to hang.
    pub hang: Duration,
    /// Limits of all kinds of stages.
    pub limits: KindSettings,
    /// Limits of single kinds, all filled in.
    pub kinds: BTreeMap<StageKind, KindSettings>,
    /// A store that machines share.
    pub remote: Option<RemoteSettings>,
    /// What jobs ask for, if stages run on a Slurm cluster.
    pub slurm: Option<SlurmSettings>,
}

/// Limits of the stages of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindSettings {
    /// Bytes of device memory that such a stage needs; all there is when absent.
    pub gpu_memory: Option<u64>,
    /// GPUs that share such a stage, as far as there are so many: a power of two.
    pub gpus: u32,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
    /// Further attempts after an engine died, hung or took too long.
    pub retries: u32,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self::new(raw::Run::default(), &mut Reader::default())
    }
}

/// Examples side by side where that can change a result and the file does not say.
const DEFAULT_FIXED_BATCH: u64 = 256;

impl RunSettings {
    /// What was written, with defaults for the rest.
    pub(super) fn new(raw: raw::Run, reader: &mut Reader) -> Self {
        let slurm = slurm::settings(&raw, reader);
        look_at_gpus(&raw, reader);
        let dtype = raw.dtype.given().unwrap_or(DType::F32);
        let limits = KindSettings {
            gpu_memory: None,
            gpus: 1,
            timeout: raw.timeout.given().map(|span| span.0),
            retries: raw.retries.given().map_or(DEFAULT_RETRIES, |retries| retries.get()),
        };
        Self {
            devices: raw.devices.given().map_or_else(|| vec![Device::Cpu], |list| values(list.items)),
            dtype,
            gradient_dtype: raw.gradient_dtype.given().unwrap_or(dtype),
            batch_size: raw.batch_size.given(),
            store: raw.store.given().map_or_else(|| DEFAULT_STORE.into(), |store| store.0.into()),
            keep: raw.keep.given().unwrap_or_default(),
            quota: raw.quota.given().map(|size| size.0),
            threads: raw.threads.given().map(|threads| threads.get()),
            checkpoint_secs: raw.checkpoint_secs.given().map_or(DEFAULT_CHECKPOINT_SECS, |secs| secs.get()),
            gpu_memory: raw.gpu_memory.given().map(|size| size.0),
            hang: raw.hang.given().map_or(DEFAULT_HANG, |span| span.0),
            limits,
            remote: raw_remote::resolve(raw.remote),
            kinds: raw.kinds.given().map_or_else(BTreeMap::new, |kinds| by_kind(kinds, limits)),
            slurm,
        }
    }

    /// The limits of a kind of stage.
    pub fn of(&self, kind: StageKind) -> KindSettings {
        self.kinds.get(&kind).copied().unwrap_or(self.limits)
    }

    /// How many examples evaluations compute side by side, where that can change a result: in any number format but
    /// f32, whose results do not depend on it.
    pub fn fixed_batch(&self) -> Option<BatchSize> {
        let default = || BatchSize::new(DEFAULT_FIXED_BATCH).expect("in range");
        (self.dtype != DType::F32).then(|| self.batch_size.unwrap_or_else(default))
    }
}

/// Looks whether stages that GPUs are to share can be shared.
fn look_at_gpus(raw: &raw::Run, reader: &mut Reader) {
    for (kind, written) in raw.kinds.clone().given().map(written_kinds).unwrap_or_default() {
        let place = written.place_of("gpus").cloned();
        let (Some(gpus), Some(place)) = (written.gpus.given(), place) else { continue };
        let gpus = gpus.get();
        let (message, hint) = if kind != StageKind::Gradients && gpus > 1 {
            (format!("{kind} stages run on one GPU"), "only gradients can be shared by several")
        } else if !gpus.is_power_of_two() {
            (format!("{gpus} GPUs cannot share a stage"), "write 1, 2, 4 or 8")
        } else {
            continue;
        };
        reader.report_with(&place, message, Some(hint.to_owned()));
    }
}

/// The kinds that have settings of their own.
pub(super) fn written_kinds(raw: raw::Kinds) -> Vec<(StageKind, raw::Kind)> {
    let kinds = [
        (StageKind::Calibrate, raw.calibrate),
        (StageKind::Quantize, raw.quantize),
        (StageKind::Gradients, raw.gradients),
        (StageKind::Saliency, raw.saliency),
        (StageKind::Select, raw.select),
        (StageKind::MixedQuantize, raw.mixed_quantize),
        (StageKind::Evaluate, raw.evaluate),
        (StageKind::Command, raw.command),
    ];
    kinds.into_iter().filter_map(|(kind, written)| Some((kind, written.given()?))).collect()
}

fn by_kind(raw: raw::Kinds, common: KindSettings) -> BTreeMap<StageKind, KindSettings> {
    let given = written_kinds(raw).into_iter();
    given
        .map(|(kind, written)| {
            let settings = KindSettings {
                gpu_memory: written.gpu_memory.given().map_or(common.gpu_memory, |size| Some(size.0)),
                gpus: written.gpus.given().map_or(common.gpus, |gpus| gpus.get()),
                timeout: written.timeout.given().map_or(common.timeout, |span| Some(span.0)),
                retries: written.retries.given().map_or(common.retries, |retries| retries.get()),
            };
            (kind, settings)
        })
        .collect()
}
