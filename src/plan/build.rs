//! Expands an experiment's trials into stages, each once.

use super::graph::{Identity, Plan, PlannedTrial, Stage, StageId};
use super::label::Labels;
use super::source::{self, SourceProblem};
use crate::digest::canonical_json;
use crate::spec::experiment::{CalibrationSampling, Method, Tacq, Uniform};
use crate::spec::{Experiment, Trial, model_names, trials};
use crate::stage_key::{KeyPayload, StageKey};
use crate::store::SourceDigests;
use std::collections::BTreeMap;
use tacq_protocol::artifact::role;
use tacq_protocol::stage::{
    DownloadParams, GradientsParams, LocalFiles, QuantizeParams, Reduction, RoundingParams, SaliencyParams,
    Score, SelectParams,
};
use tacq_protocol::task::{CalibrateParams, CalibrationData, EvaluateParams, Sampling, TaskParams};
use tacq_protocol::units::{Bits, OutlierRatio, Seed};
use tacq_protocol::{StageKind, StageParams};

/// Shares of the weights that saliency keeps as candidates: the smallest that holds the outlier ratio. Steps, so
/// that another ratio within a step is a prefix of candidates already ranked.
const CANDIDATE_SHARES: [&str; 5] = ["0.05", "0.1", "0.2", "0.5", "1"];

/// All stages of an experiment, with keys from the contents of its sources.
pub fn build(experiment: &Experiment, digests: &mut SourceDigests) -> Plan {
    let mut builder = Builder {
        experiment,
        digests,
        model_names: model_names(experiment),
        stages: Vec::new(),
        labels: Labels::default(),
        known: BTreeMap::new(),
        sources: BTreeMap::new(),
        problems: Vec::new(),
    };
    let planned = trials(experiment).into_iter().map(|trial| builder.trial(trial)).collect();
    let mut problems = builder.problems;
    problems.sort_by(|a, b| (a.position, &a.message).cmp(&(b.position, &b.message)));
    problems.dedup();
    Plan { stages: builder.stages, trials: planned, problems }
}

/// What tells stages apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Key(StageKey),
    Blocked(String),
}

struct Builder<'a> {
    experiment: &'a Experiment,
    digests: &'a mut SourceDigests,
    model_names: Vec<String>,
    stages: Vec<Stage>,
    labels: Labels,
    /// Stages by what they are.
    known: BTreeMap<Known, StageId>,
    /// Sources by what the experiment calls them.
    sources: BTreeMap<(&'static str, String), StageId>,
    problems: Vec<SourceProblem>,
}

impl Builder<'_> {
    fn trial(&mut self, trial: Trial) -> PlannedTrial {
        let model = self.model(trial.model);
        let checkpoint = match (&trial.method, trial.bits) {
            (Some(Method::Uniform(uniform)), Some(bits)) => {
                let calibration = self.calibration_for(uniform, &trial, model);
                Some(self.quantize(&trial, model, calibration, uniform, bits))
            }
            (Some(Method::Tacq(tacq)), Some(bits)) => Some(self.tacq(&trial, model, tacq, bits)),
            _ => None,
        };
        let evaluations = trial
            .tasks
            .iter()
            .map(|task| (task.clone(), self.evaluate(&trial, model, checkpoint, task)))
            .collect();
        PlannedTrial { trial, checkpoint, evaluations }
    }

    /// Saliency, mask and mixed-precision checkpoint (arXiv 2504.07389, section 3).
    fn tacq(&mut self, trial: &Trial, model: StageId, tacq: &Tacq, bits: Bits) -> StageId {
        let calibration = self.calibration_for(&tacq.quantizer, trial, model);
        let saliency = self.saliency(trial, model, tacq, calibration, bits);
        let mut parts = self.parts(trial);
        parts.extend([Method::Tacq(tacq.clone()).label(), format!("{bits}-bit")]);
        let mask = self.stage(
            &parts,
            StageParams::Select(SelectParams { outlier_ratio: tacq.outlier_ratio }),
            BTreeMap::from([(role::SALIENCY, saliency)]),
        );
        let mut inputs = BTreeMap::from([(role::MODEL, model), (role::MASK, mask)]);
        inputs.extend(calibration.map(|id| (role::CALIBRATION, id)));
        self.stage(&parts, StageParams::MixedQuantize(self.quantize_params(&tacq.quantizer, bits)), inputs)
    }

    fn saliency(
        &mut self,
        trial: &Trial,
        model: StageId,
        tacq: &Tacq,
        quantizer_calibration: Option<StageId>,
        bits: Bits,
    ) -> StageId {
        let score = tacq.saliency;
        let mut inputs = BTreeMap::from([(role::MODEL, model)]);
        let mut parts = self.parts(trial);
        parts.push(score.to_string());
        if let Some(reduction) = score.reduction() {
            inputs.insert(role::GRADIENTS, self.gradients(trial, model, reduction));
        }
        if score.needs_uniform() {
            let uniform = self.quantize(trial, model, quantizer_calibration, &tacq.quantizer, bits);
            inputs.insert(role::UNIFORM, uniform);
            parts.push(format!("{bits}-bit"));
        }
        let seed =
            (score == Score::Random).then(|| trial.seed.unwrap_or(Seed::new(0).expect("zero is a seed")));
        let candidates = candidates(tacq.outlier_ratio);
        self.stage(&parts, StageParams::Saliency(SaliencyParams { score, candidates, seed }), inputs)
    }

    fn gradients(&mut self, trial: &Trial, model: StageId, reduction: Reduction) -> StageId {
        let calibration = self.calibration(trial, model);
        let mut parts = self.parts(trial);
        match reduction {
            Reduction::Abs => {}
            Reduction::Square => parts.push("square".to_owned()),
            Reduction::Signed => parts.push("signed".to_owned()),
        }
        let params = StageParams::Gradients(GradientsParams { reduction, dtype: self.experiment.run.dtype });
        let inputs = BTreeMap::from([(role::MODEL, model), (role::CALIBRATION, calibration)]);
        self.stage(&parts, params, inputs)
    }

    fn quantize(
        &mut self,
        trial: &Trial,
        model: StageId,
        calibration: Option<StageId>,
        uniform: &Uniform,
        bits: Bits,
    ) -> StageId {
        let mut inputs = BTreeMap::from([(role::MODEL, model)]);
        let mut parts = vec![self.model_names[trial.model].clone()];
        if let Some(id) = calibration {
            inputs.insert(role::CALIBRATION, id);
            parts = self.parts(trial);
        }
        parts.extend([Method::Uniform(uniform.clone()).label(), format!("{bits}-bit")]);
        self.stage(&parts, StageParams::Quantize(self.quantize_params(uniform, bits)), inputs)
    }

    fn quantize_params(&self, uniform: &Uniform, bits: Bits) -> QuantizeParams {
        QuantizeParams {
            bits,
            group_size: uniform.group_size,
            grid: uniform.grid,
            rounding: uniform.rounding.clone(),
            dtype: matches!(uniform.rounding, RoundingParams::Gptq { .. })
                .then_some(self.experiment.run.dtype),
        }
    }

    fn evaluate(
        &mut self,
        trial: &Trial,
        model: StageId,
        checkpoint: Option<StageId>,
        task: &str,
    ) -> StageId {
        let settings = self.experiment.tasks[task].clone();
        let dataset = self.split(&settings.dataset, "test");
        let params = StageParams::Evaluate(EvaluateParams {
            task: TaskParams::Perplexity {
                format: self.experiment.datasets[&settings.dataset].format,
                seq_len: settings.seq_len,
                n_windows: settings.n_windows,
            },
            dtype: self.experiment.run.dtype,
            batch_size: None,
        });
        let mut inputs = BTreeMap::from([(role::MODEL, model), (role::DATASET, dataset)]);
        inputs.extend(checkpoint.map(|id| (role::CHECKPOINT, id)));
        let mut parts = self.parts(trial);
        match (&trial.method, trial.bits) {
            (Some(method), Some(bits)) => parts.extend([method.label(), format!("{bits}-bit")]),
            _ => parts.push("16-bit".to_owned()),
        }
        parts.push(format!("on {task}"));
        self.stage(&parts, params, inputs)
    }

    /// Model, conditioning and (where it matters) seed of a trial, as parts of a label.
    fn parts(&self, trial: &Trial) -> Vec<String> {
        let mut parts = vec![self.model_names[trial.model].clone()];
        parts.extend(trial.condition_on.clone());
        if self.experiment.seeds.len() > 1 {
            parts.extend(trial.seed.map(|s| format!("seed {s}")));
        }
        parts
    }

    fn calibration_for(&mut self, uniform: &Uniform, trial: &Trial, model: StageId) -> Option<StageId> {
        match uniform.rounding {
            RoundingParams::Rtn => None,
            RoundingParams::Gptq { .. } => Some(self.calibration(trial, model)),
        }
    }

    fn calibration(&mut self, trial: &Trial, model: StageId) -> StageId {
        let name = trial.condition_on.clone().expect("a trial that calibrates names its data set");
        let settings = &self.experiment.calibration;
        let draw = match settings.sampling {
            CalibrationSampling::First => Sampling::First,
            CalibrationSampling::Random => {
                Sampling::Random { seed: trial.seed.expect("a trial that draws at random has a seed") }
            }
        };
        let params = StageParams::Calibrate(CalibrateParams {
            data: CalibrationData::Text { format: self.experiment.datasets[&name].format },
            n_samples: settings.n_samples,
            seq_len: settings.seq_len,
            draw,
        });
        let dataset = self.split(&name, "train");
        let parts = self.parts(trial);
        self.stage(&parts, params, BTreeMap::from([(role::MODEL, model), (role::DATASET, dataset)]))
    }

    fn model(&mut self, index: usize) -> StageId {
        let model = &self.experiment.models[index];
        let parts = [self.model_names[index].clone()];
        match self.sources.get(&("model", model.text.clone())) {
            Some(&id) => id,
            None => {
                let found = source::model(model, self.digests);
                self.source(("model", model.text.clone()), &parts, found)
            }
        }
    }

    fn split(&mut self, dataset: &str, split: &'static str) -> StageId {
        if let Some(&id) = self.sources.get(&(split, dataset.to_owned())) {
            return id;
        }
        let data = &self.experiment.datasets[dataset];
        let file = if split == "train" { &data.train } else { &data.test };
        let file = file.as_ref().expect("the experiment was checked to have the splits it uses");
        let found = source::split(dataset, split, file, self.digests);
        self.source((split, dataset.to_owned()), &[dataset.to_owned(), split.to_owned()], found)
    }

    /// The `download` stage of a source; a source that cannot be used gets one without a key.
    fn source(
        &mut self,
        name: (&'static str, String),
        parts: &[String],
        found: Result<source::Resolved, SourceProblem>,
    ) -> StageId {
        let id = match found {
            Ok(found) => {
                let id = self.stage(parts, StageParams::Download(found.params), BTreeMap::new());
                self.stages[id].source.get_or_insert(found.source);
                id
            }
            Err(problem) => {
                self.problems.push(problem);
                let label = self.labels.unique(StageKind::Download, parts);
                let params = StageParams::Download(DownloadParams::Local(LocalFiles { files: Vec::new() }));
                self.push(Stage { label, params, inputs: BTreeMap::new(), identity: None, source: None })
            }
        };
        self.sources.insert(name, id);
        id
    }

    /// The stage of these parameters on these inputs, made if it is new.
    fn stage(
        &mut self,
        parts: &[String],
        params: StageParams,
        inputs: BTreeMap<&'static str, StageId>,
    ) -> StageId {
        let keys = inputs
            .iter()
            .map(|(role, &id)| Some(((*role).to_owned(), *self.stages[id].key()?)))
            .collect::<Option<BTreeMap<_, _>>>();
        let identity = keys.map(|keys| {
            let payload = KeyPayload::new(&params, keys);
            Identity { key: payload.key(), payload }
        });
        // A stage without a key is told from others by what it would be hashed from.
        let what = match &identity {
            Some(identity) => Known::Key(identity.key),
            None => Known::Blocked(canonical_json(&(&params, &inputs))),
        };
        if let Some(&id) = self.known.get(&what) {
            return id;
        }
        let label = self.labels.unique(params.kind(), parts);
        let id = self.push(Stage { label, params, inputs, identity, source: None });
        self.known.insert(what, id);
        id
    }

    fn push(&mut self, stage: Stage) -> StageId {
        self.stages.push(stage);
        self.stages.len() - 1
    }
}

fn candidates(ratio: OutlierRatio) -> OutlierRatio {
    CANDIDATE_SHARES
        .iter()
        .map(|text| text.parse::<OutlierRatio>().expect("a valid ratio"))
        .find(|share| *share >= ratio)
        .expect("the last share is the largest ratio there is")
}
